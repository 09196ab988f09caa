//! What mdBook reads as text, Grav's engine reads as text: signs, lists, quotes, code.

use crate::support::check;

#[test]
fn signs_that_are_text_are_escaped_only_where_they_have_a_partner() {
    check("2 * 3 * 4 and a_b_c and x_ y_\n", "2 \\* 3 * 4 and a\\_b\\_c and x\\_ y_\n");
    check("Vec<T> and `Vec<T>` and a < b\n", "Vec&lt;T> and `Vec<T>` and a &lt; b\n");
    check("\\< \\$ \\# \\\\(x_1\\\\)\n", "&lt; &#36; \\# \\\\(x_1\\\\)\n");
    check("text\n#tag\n2. no list\n", "text\n\\#tag\n2\\. no list\n");
    check("*a **b** c* and __x__\n", "<em>a **b** c</em> and __x__\n");
    check("{{ x }} stays\n", "&#123;{ x }} stays\n");
}

#[test]
fn lists_are_indented_by_four() {
    check("1) a\n2) b\n   - c\n\n     d\n", "1. a\n2. b\n    - c\n\n        d\n");
    check("- a\n\n* b\n# H\n", "- a\n\n<!-- -->\n\n* b\n\n# H {#h}\n");
    check("- a\n\n  ```rust,ignore\n  # hidden\n    x\n  ```\n", "-   a\n\n    ```rust\n      x\n    ```\n");
}

#[test]
fn headings_carry_the_ids_of_the_html() {
    check("A\n=\n\nB *c*\n-\n\n## A\n\n## Über {.x}\n", "# A {#a}\n\n## B *c* {#b-c}\n\n## A {#a-1}\n\n## <a id=\"über\"></a>Über {.x}\n");
    check("# C#\n", "# C&#35; {#c}\n");
    check("Term\n: what\n", "<a id=\"term\"></a>Term\n:   what\n");
}

#[test]
fn quotes_notes_and_footnotes() {
    check("> a\nlazy\n# H\n", "> a\n> lazy\n\n# H {#h}\n");
    check("> [!NOTE]\n> text\n\n> [!TIP]\n> more\n", "> **Note**\n>\n> text\n\n<!-- -->\n\n> **Tip**\n>\n> more\n");
    check(
        "a[^b c]\n\n[^b c]: one\n  two\n\n    ```\n    x\n      y\n    ```\n",
        "a[^b-c]\n\n[^b-c]: one two\n\n    <!-- --><pre><code>x&#10;  y</code></pre><!-- -->\n",
    );
    check("- [ ] a\n- [x] b\n", "- ☐ a\n- ☑ b\n");
}

#[test]
fn tables_keep_their_cells() {
    check("text\n\na | b\n--|--\n`x\\|y` | z\\|w\n|| c |\n", "text\n\n| a | b |\n--|--\n| <code>x&#124;y</code> | z&#124;w |\n|  | c |\n");
}
