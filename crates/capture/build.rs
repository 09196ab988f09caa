//! Tells cargo that the browser bundles are part of the build: without this, bundles fetched after a first build would not be embedded.

fn main() {
    println!("cargo:rerun-if-changed=assets/static");
}
