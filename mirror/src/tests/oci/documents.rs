//! The bytes of what is made.

use super::super::client::{Answer, Client};
use super::super::images::Images;
use super::{digests, image, json, text};
use hatchery_image::Sha256;

/// The documents of [`image`].
const CONFIG: &str = "{\"created\":\"1970-01-01T00:00:00Z\",\"architecture\":\"amd64\",\"os\":\"linux\",\
    \"config\":{\"Cmd\":[\"/lib/systemd/systemd\"],\"StopSignal\":\"SIGRTMIN+3\"},\
    \"rootfs\":{\"type\":\"layers\",\
    \"diff_ids\":[\"sha256:591fa008a6d0986c5071c62f9af231951c526bbca9e0316fcd57088b3552fe67\"]},\
    \"history\":[{\"created\":\"1970-01-01T00:00:00Z\",\"created_by\":\"hatchery 0\"}]}";
const MANIFEST_BYTES: &str = "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\
    \"config\":{\"mediaType\":\"application/vnd.oci.image.config.v1+json\",\
    \"digest\":\"sha256:5a0ee3ef07438e9f29963b3340c92aef4e7baca46e9b99226bb3c0c98e6e19de\",\
    \"size\":325},\
    \"layers\":[{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar+zstd\",\
    \"digest\":\"sha256:73d073b2f5885eebc6b137643993536eb6d0628da2149528151448fdb43d33a9\",\
    \"size\":19}],\"annotations\":{\"org.opencontainers.image.title\":\"debian\",\
    \"org.opencontainers.image.version\":\"1\"}}";
const INDEX_BYTES: &str = "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.index.v1+json\",\
    \"manifests\":[{\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\
    \"digest\":\"sha256:d25b0e0bb7e3e56b7d8d589bd86ba88d0ad4930583bd9818cd2489dd55afa03a\",\
    \"size\":497,\"annotations\":{\"io.github.containers.compression.zstd\":\"true\"},\
    \"platform\":{\"architecture\":\"amd64\",\"os\":\"linux\"}}]}";

/// Clients keep these for ever, and every mirror has to make the same.
#[test]
fn the_bytes_of_documents_never_change() {
    let images = Images::new(&[image()]);
    let server = images.serve();
    let mut client = Client::connect(server.local_addr());
    let index = client.get("/v2/debian/manifests/latest", &[]);
    let parsed = json(&index);
    let target = format!("/v2/debian/manifests/{}", digests(&parsed)[0]);
    let manifest = client.get(&target, &[]);
    let config = json(&manifest)["config"]["digest"].clone();
    let config = config.as_str().unwrap();
    let config = client.get(&format!("/v2/debian/blobs/{config}"), &[]);
    let digest = |answer: &Answer| Sha256::of(&answer.body).to_string();
    assert_eq!(text(&config), CONFIG, "{}", digest(&config));
    assert_eq!(text(&manifest), MANIFEST_BYTES, "{}", digest(&manifest));
    assert_eq!(text(&index), INDEX_BYTES);
    assert_eq!(
        digest(&index),
        "0215a896de84e672bf4dd0704b366bc0a67d62938bdeee30ccf965fd999195e9"
    );
}
