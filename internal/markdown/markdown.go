// Package markdown turns what people write in Markdown into HTML that is safe to show to
// anybody.
package markdown

import (
	"bytes"
	"html"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/microcosm-cc/bluemonday"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
	tokenizer "golang.org/x/net/html"

	"github.com/mrmrthon/mrmrthon/internal/race"
)

const (
	// maxLength bounds what is parsed, in characters: a longer text is shown as it was
	// written. The parser is quadratic for brackets and asterisks that never close: 10,000
	// characters take 0.1 s at worst, 80,000 take 6.
	maxLength = 10_000
	// parsedPerShown is how many characters of a text are parsed for each that is shown
	// without form: addresses of links are not.
	parsedPerShown = 10
	// maxDepth is how many quotes and lists one line may open within each other.
	maxDepth = 8

	rel = "nofollow ugc noopener"
)

// converter knows headings, emphasis, lists, quotes, code, links and struck-out text. It
// has no parser for raw HTML, so that what looks like it is shown as text.
var converter = goldmark.New(
	goldmark.WithParser(parser.NewParser(
		parser.WithBlockParsers(
			util.Prioritized(parser.NewSetextHeadingParser(), 100),
			util.Prioritized(parser.NewThematicBreakParser(), 200),
			util.Prioritized(parser.NewListParser(), 300),
			util.Prioritized(parser.NewListItemParser(), 400),
			util.Prioritized(parser.NewCodeBlockParser(), 500),
			util.Prioritized(parser.NewATXHeadingParser(), 600),
			util.Prioritized(parser.NewFencedCodeBlockParser(), 700),
			util.Prioritized(parser.NewBlockquoteParser(), 800),
			util.Prioritized(parser.NewParagraphParser(), 1000),
		),
		parser.WithInlineParsers(
			util.Prioritized(parser.NewCodeSpanParser(), 100),
			util.Prioritized(parser.NewLinkParser(), 200),
			util.Prioritized(parser.NewAutoLinkParser(), 300),
			util.Prioritized(parser.NewEmphasisParser(), 500),
		),
		parser.WithParagraphTransformers(parser.DefaultParagraphTransformers()...),
		parser.WithASTTransformers(util.Prioritized(marksLinks{}, 100)),
	)),
	goldmark.WithExtensions(
		extension.Strikethrough,
		extension.NewLinkify(extension.WithLinkifyAllowedProtocols([]string{"http:", "https:"})),
	),
)

// marksLinks tells search engines and browsers that we do not vouch for links. Headings
// begin below the title of the page that shows the text and skip no level, since those
// who listen to a page walk through it by its headings. In the place of an image, which
// would tell a third party who reads the page, stands the text that describes it.
type marksLinks struct{}

// Transform changes the document before it is rendered.
func (marksLinks) Transform(document *ast.Document, _ text.Reader, _ parser.Context) {
	above := 1
	var images []*ast.Image
	_ = ast.Walk(document, func(n ast.Node, entering bool) (ast.WalkStatus, error) { // the walk itself never fails
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Link, *ast.AutoLink:
			n.SetAttributeString("rel", []byte(rel))
		case *ast.Heading:
			n.Level = min(n.Level+1, above+1, 6)
			above = n.Level
		case *ast.Image:
			images = append(images, n)
		}
		return ast.WalkContinue, nil
	})
	for _, image := range images {
		for described := image.FirstChild(); described != nil; described = image.FirstChild() {
			image.Parent().InsertBefore(image.Parent(), image, described)
		}
		image.Parent().RemoveChild(image.Parent(), image)
	}
}

// policy lets through what the converter makes.
var policy = func() *bluemonday.Policy {
	p := bluemonday.NewPolicy()
	p.AllowElements("p", "br", "hr", "h2", "h3", "h4", "h5", "h6", "em", "strong", "del", "blockquote", "ul", "ol", "li", "pre", "code")
	p.AllowAttrs("href").OnElements("a")
	p.AllowAttrs("rel").Matching(regexp.MustCompile("^" + rel + "$")).OnElements("a")
	p.AllowAttrs("start").Matching(regexp.MustCompile(`^\d{1,9}$`)).OnElements("ol")
	p.AllowURLSchemes("http", "https", "mailto")
	p.RequireParseableURLs(true)
	p.RequireNoFollowOnLinks(true)
	return p
}()

// HTML returns the text as HTML of the elements that the policy allows. Links are absolute,
// by http, https or mailto.
func HTML(written string) string {
	if utf8.RuneCountInString(written) > maxLength {
		return asWritten(written)
	}
	var out bytes.Buffer
	if err := converter.Convert([]byte(shallow(written)), &out); err != nil {
		return asWritten(written) // a buffer takes everything, so this cannot happen
	}
	return strings.Map(race.DropOverride, policy.Sanitize(out.String())) // which an entity may have written
}

// asWritten shows a text without any form.
func asWritten(written string) string { return "<pre>" + html.EscapeString(written) + "</pre>\n" }

// marker is what opens or continues a quote or a list at the beginning of a line.
var marker = regexp.MustCompile(`^[ \t]*(?:>|[-+*](?:[ \t]|$)|\d{1,9}[.)](?:[ \t]|$))`)

// shallow takes away the markers of quotes and lists below maxDepth of each line. The
// converter looks at all that are open for every line, and calls itself for each.
func shallow(written string) string {
	var out strings.Builder
	for line := range strings.Lines(written) {
		rest := line
		for range maxDepth {
			at := marker.FindStringIndex(rest)
			if at == nil {
				break
			}
			rest = rest[at[1]:]
		}
		out.WriteString(line[:len(line)-len(rest)])
		for at := marker.FindStringIndex(rest); at != nil; at = marker.FindStringIndex(rest) {
			rest = rest[at[1]:]
		}
		out.WriteString(rest)
	}
	return out.String()
}

// heading ends a heading, which a dash parts from what is below it where both are one paragraph.
var heading = regexp.MustCompile(`</h[1-6]>`)

// Text returns the beginning of a text as one paragraph without form, of up to length
// characters, for where there is no HTML.
func Text(written string, length int) string {
	plain := withoutTags(heading.ReplaceAllString(htmlOfBeginning(written, length), " – $0"))
	return cut(strings.TrimSuffix(strings.Join(strings.Fields(plain), " "), " –"), length)
}

// gap is more than one empty line.
var gap = regexp.MustCompile(`\n{3,}`)

// list is one that is open: the number of its next item, if it has numbers.
type list struct {
	numbered bool
	next     int
}

// lines is what is written of a text line by line.
type lines struct {
	out   strings.Builder
	lists []*list // that are open, the innermost last
	item  string  // what stands before the next text, if it begins an item
	last  string  // the element that began or ended last
}

// Lines is Text with its paragraphs, parted by an empty line, and its lists, an item a
// line. Items without text are left out.
func Lines(written string, length int) string {
	var l lines
	tokens := tokenizer.NewTokenizer(strings.NewReader(htmlOfBeginning(written, length)))
	for kind := tokens.Next(); kind != tokenizer.ErrorToken; kind = tokens.Next() { // a reader of a text fails at its end alone
		switch token := tokens.Token(); kind { //nolint:exhaustive // the policy lets nothing else through
		case tokenizer.TextToken:
			l.text(token.Data)
		case tokenizer.StartTagToken:
			l.begin(token)
		case tokenizer.EndTagToken:
			l.end(token.Data)
		}
	}
	split := strings.Split(l.out.String(), "\n")
	for i, line := range split {
		split[i] = strings.Join(strings.Fields(line), " ")
	}
	return cut(strings.TrimSpace(gap.ReplaceAllString(strings.Join(split, "\n"), "\n\n")), length)
}

func (l *lines) text(s string) {
	if strings.TrimSpace(s) == "" && len(l.lists) > 0 && l.last != "p" && (l.item != "" || strings.HasSuffix(l.out.String(), "\n")) {
		return // between the elements of a list, whose items follow each other
	}
	l.out.WriteString(l.item + s)
	l.item = ""
}

func (l *lines) begin(token tokenizer.Token) {
	switch l.last = token.Data; token.Data {
	case "ul", "ol":
		l.lists = append(l.lists, &list{numbered: token.Data == "ol", next: startOf(token)})
	case "li":
		l.item = "- "
		if in := l.lists[len(l.lists)-1]; in.numbered {
			l.item = strconv.Itoa(in.next) + ". "
			in.next++
		}
	}
}

func (l *lines) end(tag string) {
	switch l.last = tag; tag {
	case "ul", "ol":
		l.lists = l.lists[:len(l.lists)-1]
	case "li":
		l.item = ""
	}
	if endsBlock[tag] && (len(l.lists) == 0 || tag == "p") {
		l.out.WriteString("\n")
	}
}

// endsBlock are the elements behind which an empty line parts paragraphs.
var endsBlock = map[string]bool{
	"p": true, "h2": true, "h3": true, "h4": true, "h5": true, "h6": true, "ul": true, "ol": true, "blockquote": true, "pre": true,
}

// startOf returns the number of the first item of a list.
func startOf(token tokenizer.Token) int {
	for _, a := range token.Attr {
		if n, err := strconv.Atoi(a.Val); a.Key == "start" && err == nil {
			return n
		}
	}
	return 1
}

// htmlOfBeginning returns the HTML of as much of a text as may be shown: a list shows many.
func htmlOfBeginning(written string, length int) string {
	if runes := []rune(written); len(runes) > parsedPerShown*length {
		written = string(runes[:parsedPerShown*length])
	}
	return HTML(written)
}

func withoutTags(marked string) string {
	return html.UnescapeString(bluemonday.StrictPolicy().Sanitize(marked))
}

// cut returns the first characters of a text, and says when there are more.
func cut(plain string, length int) string {
	runes := []rune(plain)
	if len(runes) <= length {
		return plain
	}
	return strings.TrimSpace(string(runes[:length])) + " …"
}
