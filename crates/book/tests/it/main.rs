//! Claims about `mdbook-grav`, one file for each. In: small books made here. Out: trees of pages, compared as text.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where it stopped")]

mod check_names_faults;
mod front_matter_is_one_block;
mod html_stays_html;
mod lines_that_look_like_blocks;
mod links_follow_their_pages;
mod media_go_along;
mod nothing_foreign_is_touched;
mod options_shape_the_tree;
mod properties;
mod renders_for_mdbook;
mod reruns_are_exact;
mod strict_makes_errors;
mod support;
