package pages

import (
	"context"
	"net/http"
	"slices"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/mail"
	"github.com/mrmrthon/mrmrthon/internal/notice"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// noticePreview is a kind of notice that a race sends, as it is written in each language.
type noticePreview struct {
	notice.Definition
	mails []previewedMail
}

// previewedMail is a notice in one language.
type previewedMail struct {
	mail.Message
	language string
}

// subject returns the subject in a language.
func (p noticePreview) subject(language string) string {
	for _, m := range p.mails {
		if m.language == language {
			return m.Subject
		}
	}
	return ""
}

// sends reports whether a race can send notices of a kind: those about accounts come from
// no race, and without a waiting list there are no offers.
func sends(r race.Race, kind notice.Kind) bool {
	switch kind { //nolint:exhaustive // any race can send the others
	case notice.Security:
		return false
	case notice.MovedUp, notice.OfferMade, notice.OfferEnding:
		return r.Entry != nil && r.Entry.WaitingList
	}
	return true
}

// noticePreviews lists what people who entered, and those who run the race, are sent. The
// kind in the address is shown as it arrives; frames for all would be some 70 requests.
func (s *site) noticePreviews(ctx context.Context, v *visit) (page, error) {
	r := server.RaceFrom(ctx)
	var previews []noticePreview
	others := slices.DeleteFunc(mail.Languages(), func(language string) bool { return language == v.tag })
	languages := append([]string{v.tag}, others...)
	for _, d := range notice.Definitions() {
		if !sends(r, d.Kind) {
			continue
		}
		preview := noticePreview{Definition: d}
		for _, language := range languages {
			written, err := mail.Preview(d.Kind, language, r, v.base)
			if err != nil {
				return page{}, err
			}
			preview.mails = append(preview.mails, previewedMail{written, language})
		}
		previews = append(previews, preview)
	}
	return page{title: v.T("previews.title"), body: noticePreviewsBody(v, r, previews), frames: v.get("kind") != ""}, nil
}

// mailPolicy lets a framed mail style itself, as mails do, and nothing else.
const mailPolicy = "default-src 'none'; style-src 'unsafe-inline'; sandbox; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"

// framedNotice answers with the HTML of a preview, for a frame of its page.
func (s *site) framedNotice(ctx context.Context, v *visit) (page, error) {
	kind, r := notice.Kind(v.param("kind")), server.RaceFrom(ctx)
	language, err := v.oneOf("in", mail.Languages()...)
	if err != nil {
		return page{}, err
	}
	if _, known := notice.Of(kind); !known || !sends(r, kind) || language == "" {
		return page{}, race.ErrNotFound
	}
	written, err := mail.Preview(kind, language, r, v.base)
	if err != nil {
		return page{}, err
	}
	html := mail.Framed(written.HTML, v.get("scheme") == "dark")
	return page{}, &reply{send: func(w http.ResponseWriter) {
		h := w.Header()
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Content-Security-Policy", mailPolicy)
		h.Set("X-Frame-Options", "SAMEORIGIN")
		_, _ = w.Write([]byte(html)) // the reader may have gone away
	}}
}
