package races

import (
	"bytes"
	"context"
	"encoding/csv"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// draws publishes the draws of races' places.
type draws struct{ store *maindb.Store }

type drawOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         struct {
		Commitment string     `json:"commitment" doc:"The SHA-256 of the seed's text, in hexadecimal, which was public before the draw."`
		DrawAt     time.Time  `json:"draw_at"`
		DrawnAt    *time.Time `json:"drawn_at,omitempty" doc:"Missing before the draw, like the seed and the list's hash."`
		Seed       string     `json:"seed,omitempty"`
		ListHash   string     `json:"list_hash,omitempty" doc:"The SHA-256, in hexadecimal, of all numbers in the order of their characters, each followed by a line feed."`
		Rule       string     `json:"rule" doc:"How the order follows from the seed and the numbers."`
	}
}

// drawRule says how anyone can compute a draw again.
const drawRule = "The lot of a number is HMAC-SHA-256 with the seed's text as key over list_hash, a colon and the number. The lowest lot has place 1."

type drawFile struct {
	ContentType        string `header:"Content-Type"`
	ContentDisposition string `header:"Content-Disposition"`
	CacheControl       string `header:"Cache-Control"`
	Body               []byte
}

func (d draws) register(api huma.API) {
	const path = "/v1/races/{race_id}/entry/draw"
	server.Register(api, huma.Operation{
		OperationID: "get-draw", Method: http.MethodGet, Path: path,
		Summary: "See the draw of a race's places", Tags: []string{entriesTag}, Errors: []int{http.StatusNotFound},
		Description: "Before the draw, the hash of its seed. Afterwards the seed, so that anyone can compute the draw again from the numbers in `draw.csv`: " +
			"check that the SHA-256 of the seed is the commitment and that of the list is list_hash, and put the numbers in the order of their lots.",
	}, d.get)
	server.Register(api, huma.Operation{
		OperationID: "export-draw", Method: http.MethodGet, Path: path + ".csv",
		Summary: "Export the numbers of a draw as CSV", Tags: []string{entriesTag}, Errors: []int{http.StatusNotFound},
		Description: "Without names: every number that was given, by its characters, with the pool, the place in the order of the draw, and the status of the entry after it. " +
			"Numbers of those who had cancelled take part and get no place. Only the header line before the draw.",
		Responses: map[string]*huma.Response{"200": {
			Description: "One line for each number, with a header line.", Content: map[string]*huma.MediaType{"text/csv": {}},
		}},
	}, d.export)
}

func (d draws) of(ctx context.Context, raceID string) (race.Race, maindb.Draw, error) {
	r, err := d.store.Race(ctx, raceID)
	if err != nil {
		return race.Race{}, maindb.Draw{}, err
	}
	found, err := d.store.DrawOf(ctx, r)
	return r, found, err
}

// drawnFor is how long caches may keep a draw: the settings can still change before it.
func drawnFor(d maindb.Draw) string {
	if d.DrawnAt.IsZero() {
		return "public, max-age=5"
	}
	return "public, max-age=300"
}

func (d draws) get(ctx context.Context, in *RacePath) (*drawOutput, error) {
	r, found, err := d.of(ctx, in.RaceID)
	if err != nil {
		return nil, err
	}
	out := &drawOutput{CacheControl: drawnFor(found)}
	out.Body.Commitment, out.Body.DrawAt, out.Body.Rule = found.Commitment, r.Entry.In(found.At), drawRule
	out.Body.DrawnAt, out.Body.Seed, out.Body.ListHash = instant(r.Entry, found.DrawnAt), found.Seed, found.ListHash
	return out, nil
}

func (d draws) export(ctx context.Context, in *RacePath) (*drawFile, error) {
	r, found, err := d.of(ctx, in.RaceID)
	if err != nil {
		return nil, err
	}
	var body bytes.Buffer
	writer := csv.NewWriter(&body)
	_ = writer.Write([]string{"number", "pool", "place", "result"}) // a buffer takes everything
	const pageSize = 5000
	for after := ""; ; {
		numbers, err := d.store.DrawnNumbers(ctx, r, after, pageSize)
		if err != nil {
			return nil, err
		}
		for _, n := range numbers {
			_ = writer.Write([]string{n.Number, server.SpreadsheetText(n.Pool), strconv.Itoa(n.Place), string(n.Result)})
		}
		if len(numbers) < pageSize {
			break
		}
		after = numbers[len(numbers)-1].Number
	}
	writer.Flush()
	return &drawFile{
		ContentType: "text/csv; charset=utf-8", ContentDisposition: `attachment; filename="draw.csv"`, CacheControl: drawnFor(found), Body: body.Bytes(),
	}, nil
}
