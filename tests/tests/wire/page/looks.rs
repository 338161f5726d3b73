//! What is looked at on a page, as expressions of JavaScript that the browser's
//! debugger evaluates; the page itself runs none.

/// What is wrong with a page: what sticks out of the window, text that is hard
/// to read (WCAG 2.2, success criterion 1.4.3: a contrast of 4.5), and
/// structure that a screen reader misses.
pub(super) const FAULTS: &str = r##"(() => {
    const faults = [];
    // What is folded is looked at, too.
    for (const folded of document.querySelectorAll("details")) folded.open = true;
    // A phone's innerWidth grows with what sticks out; this does not.
    const width = document.documentElement.clientWidth;
    const wide = Math.max(document.scrollingElement.scrollWidth, innerWidth);
    if (wide > width) faults.push(`it is ${wide} wide in a window of ${width}`);
    const name = e => `${e.localName}.${e.className} ${e.textContent.trim().slice(0, 40)}`;
    const channels = color => {
        const numbers = color.match(/[\d.]+/g).map(Number);
        return { rgb: numbers.slice(0, 3), alpha: numbers[3] ?? 1 };
    };
    const light = rgb => {
        const [r, g, b] = rgb.map(c => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ground = e => {
        for (; e; e = e.parentElement) {
            const color = channels(getComputedStyle(e).backgroundColor);
            if (color.alpha === 1) return color.rgb;
            if (color.alpha !== 0) faults.push(`${name(e)} is half transparent`);
        }
        faults.push("nothing is behind the text");
        return [255, 255, 255];
    };
    let texts = 0;
    for (const e of document.body.querySelectorAll("*")) {
        const own = [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim());
        if (!own || !e.checkVisibility()) continue;
        texts += 1;
        const [a, b] = [light(channels(getComputedStyle(e).color).rgb), light(ground(e))];
        const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (contrast < 4.5) faults.push(`${name(e)}: contrast ${contrast.toFixed(2)}`);
        const box = e.getBoundingClientRect();
        if (box.right > width + 0.5) faults.push(`${name(e)} ends at ${box.right}`);
    }
    if (texts < 20) faults.push(`only ${texts} texts`);
    const count = (selector, number) => {
        const found = document.querySelectorAll(selector).length;
        if (found !== number) faults.push(`${found} of ${selector}`);
    };
    count("html[lang=en]", 1);
    count("h1", 1);
    count("main", 1);
    count("header", 1);
    count("footer", 1);
    count("table:not(:has(> caption))", 0);
    count("th:not([scope])", 0);
    count("section:not([aria-labelledby])", 0);
    const ids = [...document.querySelectorAll("[id]")].map(e => e.id);
    if (new Set(ids).size !== ids.length) faults.push("an id is there twice");
    for (const e of document.querySelectorAll("[aria-labelledby]"))
        if (!document.getElementById(e.getAttribute("aria-labelledby"))) faults.push(`${name(e)} has no label`);
    if (!document.title) faults.push("no title");
    let level = 1;
    for (const h of document.querySelectorAll("h1, h2, h3")) {
        const next = Number(h.localName[1]);
        if (next > level + 1) faults.push(`${name(h)} skips a level`);
        level = next;
    }
    return faults;
})()"##;
