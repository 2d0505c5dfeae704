package markdown_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"

	"github.com/mrmrthon/mrmrthon/internal/markdown"
)

func TestHTML(t *testing.T) {
	t.Parallel()
	for name, c := range map[string][2]string{
		"paragraphs":  {"Hello\n\n*to* **all**", "<p>Hello</p>\n<p><em>to</em> <strong>all</strong></p>\n"},
		"heading":     {"# Parking", "<h2>Parking</h2>\n"},
		"levels":      {"### a\n## b\n# c\n### d", "<h2>a</h2>\n<h3>b</h3>\n<h2>c</h2>\n<h3>d</h3>\n"},
		"link":        {"[the map](https://example.org/a?b=c)", `<p><a href="https://example.org/a?b=c" rel="nofollow ugc noopener">the map</a></p>` + "\n"},
		"bare link":   {"see https://example.org/x", `<p>see <a href="https://example.org/x" rel="nofollow ugc noopener">https://example.org/x</a></p>` + "\n"},
		"list":        {"3. a\n4. b", "<ol start=\"3\">\n<li>a</li>\n<li>b</li>\n</ol>\n"},
		"raw HTML":    {"a <b onclick=x>b</b>", "<p>a &lt;b onclick=x&gt;b&lt;/b&gt;</p>\n"},
		"image":       {"![map](https://example.org/i.png)", "<p>map</p>\n"},
		"linked":      {"[![x](https://example.org/i.png) *y*](https://e.org)", `<p><a href="https://e.org" rel="nofollow ugc noopener">x <em>y</em></a></p>` + "\n"},
		"struck out":  {"~~7:00~~ 8:00", "<p><del>7:00</del> 8:00</p>\n"},
		"korean":      {"**주차**는 안 됩니다.", "<p><strong>주차</strong>는 안 됩니다.</p>\n"},
		"turned":      {"a&#x202e;b\u202e [x&#8238;](https://e.org/%E2%80%AE)", `<p>ab <a href="https://e.org/%E2%80%AE" rel="nofollow ugc noopener">x</a></p>` + "\n"},
		"empty":       {"", ""},
		"script link": {"[x](javascript:alert(1))", "<p><a rel=\"nofollow ugc noopener\">x</a></p>\n"},
		"quote":       {"> said", "<blockquote>\n<p>said</p>\n</blockquote>\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c[1], markdown.HTML(c[0]))
		})
	}
}

var allowed = regexp.MustCompile(`^(p|br|hr|h[2-6]|em|strong|del|blockquote|ul|ol|li|pre|code|a)$`)

// harmless parses HTML as a browser does, and fails for anything that could run, load or
// lead to where a link must not.
func harmless(t *testing.T, written, out string) {
	t.Helper()
	tokens := html.NewTokenizer(strings.NewReader(out))
	for {
		kind := tokens.Next()
		if kind == html.ErrorToken {
			return
		}
		token := tokens.Token()
		if kind == html.TextToken {
			continue
		}
		require.Contains(t, []html.TokenType{html.StartTagToken, html.EndTagToken, html.SelfClosingTagToken}, kind, written)
		require.Regexp(t, allowed, token.Data, written)
		for _, a := range token.Attr {
			switch a.Key {
			case "href":
				require.Regexp(t, `^(?i:https?://|mailto:)`, a.Val, written)
			case "rel":
				require.Equal(t, "nofollow ugc noopener", a.Val, written)
			case "start":
				require.Regexp(t, `^\d+$`, a.Val, written)
			default:
				require.Fail(t, "attribute", "%s: %s", a.Key, written)
			}
		}
	}
}

func TestHostileTextsAreHarmless(t *testing.T) {
	t.Parallel()
	for _, written := range []string{
		"<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "<svg/onload=alert(1)>", "<iframe src=//evil>", "<a href='javascript:1'>x</a>",
		"[x](javascript:alert(1))", "[x](JaVaScRiPt:alert(1))", "[x](java\tscript:alert(1))", "[x](&#106;avascript:alert(1))", "[x](&#x6A;avascript&colon;alert(1))",
		"[x](data:text/html;base64,PHNjcmlwdD4=)", "[x](vbscript:x)", "[x](file:///etc/passwd)", "[x](//evil.example)", "[x](/en/my/leave)", "[x](\x01javascript:1)",
		"<javascript:alert(1)>", "<https://e.org/\" onmouseover=alert(1) x=\">", "[x](https://e.org \"a\" onclick=alert(1))", "[x](https://e.org '\"><script>')",
		"![x](https://evil.example/pixel.gif)", "![x](data:image/png;base64,AAAA)", "[![x](https://evil.example/i.png)](https://e.org)",
		"[a]: javascript:alert(1)\n\n[a]", "```html\n<script>alert(1)</script>\n```", "```\"onload=x\nx\n```", "`<script>`", "    <script>x</script>",
		"# h {onclick=alert(1)}", "<!-- --><script>1</script>", "<![CDATA[<script>]]>", "<?php x ?>", "&lt;script&gt;", "&#60;script&#62;", "a\x00b", "\u202eevil",
		"https://e.org/\"><script>1</script>", "<style>*{display:none}</style>", "<base href=//evil>", "<form action=//evil><input>", "<math><mi xlink:href=javascript:1>",
		"www.evil.example", "a@evil.example", "ftp://evil.example/", "- [ ] <b>", "|a|\n|-|\n|<b>|", strings.Repeat("<div>", 500),
	} {
		harmless(t, written, markdown.HTML(written))
		require.NotContains(t, markdown.Text(written, 100), "\n")
		require.NotPanics(t, func() { markdown.Lines(written, 100) })
	}
}

// TestBoundedTime gives the converter what parsers of Markdown are known to be slow with.
// The bound is wide: what is quadratic takes minutes.
func TestBoundedTime(t *testing.T) {
	t.Parallel()
	const size = 10_000
	of := func(part string, n int) string { return strings.Repeat(part, n/len(part)) }
	long := map[string]string{"1 MB of brackets": of("[", 1<<20), "1 MB of lines": of("> - a\n", 1<<20)}
	for _, part := range []string{
		"[", "]", "![", "[](", "[a](", "<", ">", "> ", "- ", "* ", "1. ", ">- ", "*", "**a ", "_a ", "`", "``a` ", "~~a", "a*_", "&", "\\", "#", "|", "\n", " \n",
		"[a]: b\n", "[a][", "<a@", "https://", "www.a.", "a@b.", "<!--", "```\n", "*a **b ", "\t", "- a\n", "> a\n", "[x](<", "((", "[a](b \"", ">\n", "-\n", "  - a\n",
	} {
		long[part] = of(part, size)
	}
	nested := ""
	for depth := range 300 {
		nested += strings.Repeat("  ", depth%150) + "- a\n"
	}
	long["lists within lists"] = nested
	started := time.Now()
	for name, written := range long {
		before := time.Now()
		harmless(t, name, markdown.HTML(written))
		require.NotPanics(t, func() { markdown.Lines(written, len(written)) })
		if took := time.Since(before); took > 20*time.Millisecond {
			t.Logf("%q: %s", name, took)
		}
	}
	require.Less(t, time.Since(started), time.Minute)
}

func TestText(t *testing.T) {
	t.Parallel()
	require.Equal(t, "Parking – The A & B map is here", markdown.Text("# Parking\n\nThe **A & B** [map](https://e.org) is\nhere", 100))
	require.Equal(t, "Parking", markdown.Text("# Parking", 100))
	require.Equal(t, "가나다 …", markdown.Text("가나다라마", 3))
	require.Equal(t, "Where\n\nBeside the stadium:\n\n- A <b>\n- B and\nC\n\nBe early.\n\n1. loose\n\n2. list",
		markdown.Lines("# Where\n\nBeside **the stadium**:\n\n- A <b>\n- [B](https://e.org) and\n  C\n\n> Be early.\n\n1. loose\n\n2. list", 200))
	for written, lines := range map[string]string{
		"- \n- b":                          "- b",
		"3. a\n4. b\n   - c\n   - d\n5. e": "3. a\n4. b\n- c\n- d\n5. e",
		"1. \n2. b":                        "2. b",
		"- - a":                            "- a",
		"![](https://e.org/1.png)":         "",
		"![](https://e.org/1.png)\n\n![the map](https://e.org/2.png)": "the map",
		"- ![](https://e.org/1.png)\n- b":                             "- b",
		"1. a\n\n   further\n2. b":                                    "1. a\n\nfurther\n\n2. b",
		"> 1. a\n\nb":                                                 "1. a\n\nb",
		"```\n- no list\n```":                                         "- no list",
	} {
		require.Equal(t, lines, markdown.Lines(written, 200), written)
	}
	require.Equal(t, "가\n\n나 …", markdown.Lines("가\n\n나다라마", 4))
	require.Equal(t, "a b a …", markdown.Text(strings.Repeat("*a* b ", 1500), 5), "what is far behind is not parsed")
}
