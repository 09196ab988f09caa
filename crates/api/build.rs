//! Builds this crate again when the web app was built.

fn main() {
    println!("cargo:rerun-if-changed=../../ui/dist");
}
