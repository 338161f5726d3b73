//! The two JSON documents, with the fields that incus and LXD read and no more.
//!
//! incus reads the item `incus.tar.xz`, LXD `lxd.tar.xz`; both are the one
//! metadata tarball. Their names are types, whatever the files are called.

use super::products::{Offer, Product, Products};
use serde_json::{Map, Value, json};

/// What kind of files the documents are about.
const DATATYPE: &str = "image-downloads";
/// The format of the document that lists them.
const FORMAT: &str = "products:1.0";

/// Which document lists which products. Clients pass over one that lists none.
pub(super) fn index(products: &Products) -> Vec<u8> {
    let names: Vec<&String> = products.products.keys().collect();
    bytes(&json!({
        "format": "index:1.0",
        "index": {
            "images": {
                "datatype": DATATYPE,
                "format": FORMAT,
                "path": "streams/v1/images.json",
                "products": names,
            }
        }
    }))
}

/// The products.
pub(super) fn images(products: &Products) -> Vec<u8> {
    let products = products.products.iter();
    let products: Map<_, _> = products.map(|(n, p)| (n.clone(), product(p))).collect();
    bytes(&json!({
        "content_id": "images",
        "datatype": DATATYPE,
        "format": FORMAT,
        "products": products,
    }))
}

fn product(product: &Product) -> Value {
    let versions = product.versions.iter();
    let versions: Map<_, _> = versions.map(|(n, o)| (n.clone(), version(o))).collect();
    json!({
        "aliases": product.aliases.join(","),
        "arch": product.architecture,
        "os": product.os,
        "release": product.release,
        "release_title": product.release,
        "variant": product.variant,
        "versions": versions,
    })
}

fn version(offer: &Offer) -> Value {
    let (metadata, root) = (&offer.files.metadata, &offer.files.root);
    let described = |ftype: &str| {
        json!({
            "ftype": ftype,
            "path": metadata.path,
            "sha256": metadata.sha256,
            "size": metadata.size,
            "combined_sha256": offer.fingerprint,
            "combined_rootxz_sha256": offer.fingerprint,
        })
    };
    json!({
        "items": {
            "incus.tar.xz": described("incus.tar.xz"),
            "lxd.tar.xz": described("lxd.tar.xz"),
            "root.tar.xz": {
                "ftype": "root.tar.xz",
                "path": root.path,
                "sha256": root.sha256,
                "size": root.size,
            },
        }
    })
}

fn bytes(document: &Value) -> Vec<u8> {
    let mut text = document.to_string();
    text.push('\n');
    text.into_bytes()
}
