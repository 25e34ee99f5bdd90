//! The help texts are part of the product: a change of theirs is reviewed like code.

use clap::CommandFactory as _;
use saddle::Arguments;

fn help(command: &[&str]) -> String {
    let mut node = Arguments::command().term_width(100);
    for name in command {
        node = node.find_subcommand(name).expect("a known subcommand").clone();
    }
    let text = node.render_long_help().to_string();
    // A trailing space at the end of a wrapped line is invisible to a reviewer.
    text.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

#[test]
fn the_definition_is_sound() {
    Arguments::command().debug_assert();
}

#[test]
fn saddle() {
    insta::assert_snapshot!(help(&[]));
}

#[test]
fn saddle_digits() {
    insta::assert_snapshot!(help(&["digits"]));
}

#[test]
fn saddle_train() {
    insta::assert_snapshot!(help(&["train"]));
}

#[test]
fn saddle_attack() {
    insta::assert_snapshot!(help(&["attack"]));
}

#[test]
fn saddle_export() {
    insta::assert_snapshot!(help(&["export"]));
}

#[test]
fn saddle_import() {
    insta::assert_snapshot!(help(&["import"]));
}

#[test]
fn saddle_reproduce() {
    insta::assert_snapshot!(help(&["reproduce"]));
}

#[test]
fn saddle_report() {
    insta::assert_snapshot!(help(&["report"]));
}
