//! `/etc/hostname`, only if the recipe sets one: otherwise each machine is
//! called what its host calls it. And `/etc/hosts`, which programs expect
//! that do not ask resolved.

use super::{Context, PUBLIC, Result};

const HOSTS: &str = "127.0.0.1\tlocalhost\n::1\t\tlocalhost ip6-localhost ip6-loopback\n\
    ff02::1\t\tip6-allnodes\nff02::2\t\tip6-allrouters\n";

pub(super) fn apply(context: &Context<'_>) -> Result<()> {
    let rootfs = &context.rootfs;
    let mut hosts = rootfs
        .text("etc/hosts")?
        .unwrap_or_else(|| HOSTS.to_owned());
    match &context.recipe.hostname {
        None => rootfs.remove("etc/hostname")?,
        Some(name) => {
            rootfs.write("etc/hostname", format!("{name}\n").as_bytes(), PUBLIC)?;
            let short = name.as_str().split('.').next().unwrap_or_default();
            let names = if short == name.as_str() {
                short.to_owned()
            } else {
                format!("{name} {short}")
            };
            // Debian's place for a host's own name without a fixed address.
            hosts.push_str(&format!("127.0.1.1\t{names}\n"));
        }
    }
    Ok(rootfs.rewrite("etc/hosts", hosts.as_bytes(), PUBLIC)?)
}
