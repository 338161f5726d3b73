# make demo      from recipe to a booted, networked machine (as root)
# make import-only  the small static program for hosts that only import
# make fuzz      FUZZ_SECONDS (60) of hostile input to each reader
# make test      everything that is tested; installs what tests need
# make bench     our figures beside those of other tools
# make check     formatting, lints, licences of dependencies
# make install   program, man pages, completions, units, recipes and keys

PREFIX  ?= /usr/local
DESTDIR ?=


.PHONY: all import-only demo test fuzz bench check install install-units uninstall

all:
	@demo/packages build
	@. demo/cargo && cargo build --release --locked

import-only:
	@demo/import-only small

demo:
	@demo/run

test:
	@tests/run

fuzz:
	@fuzz/run

bench:
	@demo/packages build run bench
	@. demo/cargo && cargo bench --workspace --locked --bench '*'

check:
	@demo/packages build
	@. demo/cargo && cargo fmt --all --check
	@. demo/cargo && cargo clippy --workspace --all-targets --locked -- -D warnings
	@. demo/cargo && { command -v cargo-deny >/dev/null || cargo install --locked cargo-deny; }
	@. demo/cargo && cargo deny check bans licenses sources

install: all install-units
	install -D -m 0755 target/release/hatchery $(DESTDIR)$(PREFIX)/bin/hatchery
	install -d $(DESTDIR)$(PREFIX)/share/man/man1
	target/release/hatchery man $(DESTDIR)$(PREFIX)/share/man/man1
	install -d $(DESTDIR)$(PREFIX)/share/bash-completion/completions \
	    $(DESTDIR)$(PREFIX)/share/zsh/site-functions \
	    $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d
	target/release/hatchery completions bash >$(DESTDIR)$(PREFIX)/share/bash-completion/completions/hatchery
	target/release/hatchery completions zsh >$(DESTDIR)$(PREFIX)/share/zsh/site-functions/_hatchery
	target/release/hatchery completions fish >$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/hatchery.fish
	install -d $(DESTDIR)$(PREFIX)/share/hatchery
	cp -rT recipes $(DESTDIR)$(PREFIX)/share/hatchery/recipes
	cp -rT keys $(DESTDIR)$(PREFIX)/share/hatchery/keys
	install -m 0644 units/mirror.toml $(DESTDIR)$(PREFIX)/share/hatchery/mirror.toml

# Templates to be edited; none is enabled.
install-units:
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system
	for unit in units/*.service units/*.socket units/*.timer; do \
	    sed 's|@PREFIX@|$(PREFIX)|g; s|/usr/local/bin/|$(PREFIX)/bin/|g' "$$unit" >"$(DESTDIR)$(PREFIX)/lib/systemd/system/$${unit##*/}" || exit 1; \
	done

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/hatchery \
	    $(DESTDIR)$(PREFIX)/share/man/man1/hatchery.1 \
	    $(DESTDIR)$(PREFIX)/share/man/man1/hatchery-*.1 \
	    $(DESTDIR)$(PREFIX)/share/bash-completion/completions/hatchery \
	    $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_hatchery \
	    $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/hatchery.fish
	rm -f $(patsubst units/%,$(DESTDIR)$(PREFIX)/lib/systemd/system/%,$(wildcard units/*))
	rm -rf $(DESTDIR)$(PREFIX)/share/hatchery
