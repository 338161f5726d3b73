//! The pocket itself.

use hatchery_tests::pocket::Pocket;
use std::path::Path;

#[test]
fn it_is_made() {
    let pocket = Pocket::repository(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("pocket"));
    println!("{}", pocket.packages().len());
}
