//! 2,000 chapters through the renderer: at most 2 seconds, and memory that does not follow the book.
//!
//! In: nothing. Out: a line of figures for a tenth of the book and for all of it; a failure when a promise is broken.
//! Run with `cargo bench -p mdbook-grav`. Time is that of the processor, so that neighbours on the machine do not count;
//! memory is the peak of this process. Both are read from Linux's `/proc`.

use mdbook_grav::{Report, render};
use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::Path;
use std::time::{Duration, Instant};

const CHAPTERS: usize = 2_000;
const SECONDS_MAX: u64 = 2;
/// The whole book may cost this much more than a tenth of it: titles, ids and paths, but no texts.
const GROWTH_BYTES_PER_CHAPTER_MAX: u64 = 8 * 1024;

fn main() {
    let small = run(CHAPTERS / 10);
    let large = run(CHAPTERS);
    let growth = large.peak.saturating_sub(small.peak) / (CHAPTERS - CHAPTERS / 10) as u64;
    println!("memory grows by {growth} bytes for each chapter of {} bytes", large.text / CHAPTERS as u64);
    assert!(large.cpu <= Duration::from_secs(SECONDS_MAX), "{CHAPTERS} chapters took {:?}, expected {SECONDS_MAX} s at most", large.cpu);
    assert!(growth <= GROWTH_BYTES_PER_CHAPTER_MAX, "{growth} bytes a chapter, expected {GROWTH_BYTES_PER_CHAPTER_MAX} at most");
}

struct Run {
    cpu: Duration,
    peak: u64,
    text: u64,
}

fn run(chapters: usize) -> Run {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let context = folder.path().join("context.json");
    let text = write_context(&context, chapters, &folder.path().join("out"));
    let (start, before) = (Instant::now(), cpu());
    let mut report = Report::default();
    let summary = render(BufReader::new(File::open(&context).expect("the context")), &mut report).expect("a conversion");
    let (took, cpu) = (start.elapsed(), cpu() - before);
    let peak = peak_bytes();
    println!(
        "{chapters} chapters, {text} bytes of text: {cpu:?} of the processor, {took:?} on the wall, peak {} KiB, {summary:?}",
        peak / 1024
    );
    Run { cpu, peak, text }
}

fn write_context(path: &Path, chapters: usize, out: &Path) -> u64 {
    let mut file = BufWriter::new(File::create(path).expect("a file"));
    let mut bytes = 0;
    write!(file, "{{\"version\":\"0.5.4\",\"root\":{:?},\"book\":{{\"items\":[", path.parent().expect("a parent")).expect("a write");
    for at in 0..chapters {
        let text = chapter(at, chapters);
        bytes += text.len() as u64;
        let comma = if at == 0 { "" } else { "," };
        let content = serde_json::Value::String(text);
        write!(
            file,
            "{comma}{{\"Chapter\":{{\"name\":\"Chapter {at}\",\"content\":{content},\"number\":[{}],\"sub_items\":[],\
             \"path\":\"c{at}.md\",\"source_path\":\"c{at}.md\",\"parent_names\":[]}}}}",
            at + 1
        )
        .expect("a write");
    }
    write!(file, "]}},\"config\":{{\"book\":{{\"src\":\"src\"}},\"output\":{{\"grav\":{{}}}}}},\"destination\":{out:?}}}")
        .expect("a write");
    file.flush().expect("a write");
    bytes
}

/// About 12 KB of everything: lists, code, tables, links to other chapters.
fn chapter(at: usize, of: usize) -> String {
    let mut text = format!("# Chapter {at}\n\nAn *opening* with `code` and <T> signs * here.\n\n");
    for section in 0..24 {
        let other = (at + section * 7) % of;
        let _infallible = write!(
            text,
            "## Section {section}\n\nSee [the other](c{other}.md#section-{section}), then read on: a_b and c_d are names, 2 * 3 * 4 is a sum.\n\n\
             - one item\n  - inner with **weight**\n\n    ```rust\n    # hidden\n    fn main() {{ println!(\"{section}\"); }}\n    ```\n- two\n\n\
             | a | b |\n|---|---|\n| `x|y` | text |\n\n> A quote of some length, so that a page is not only marks and signs.\n\n"
        );
    }
    text
}

/// Time that this process has used, to 10 ms.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(") ").next().unwrap_or_default();
    let ticks: u64 = fields.split(' ').skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

fn peak_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0 kB");
    line.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap_or(0) * 1024
}
