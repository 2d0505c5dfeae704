package standings

import (
	"bytes"
	"context"
	"encoding/csv"
	"net/http"
	"slices"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/standings"
)

type exportInput struct {
	Query
	IfNoneMatch string `header:"If-None-Match"`
}

type exportOutput struct {
	ContentType        string `header:"Content-Type"`
	ContentDisposition string `header:"Content-Disposition"`
	ETag               string `header:"ETag"`
	CacheControl       string `header:"Cache-Control"`
	Body               []byte
}

// export has a path of its own instead of an Accept header, so that it can be
// linked to, and so that caches need not distinguish two answers of one path.
func (r reading) registerExport(api huma.API) {
	server.Register(api, huma.Operation{
		OperationID: "export-standings", Method: http.MethodGet, Path: "/v1/races/{race_id}/standings.csv",
		Summary: "Export the standings of a race as CSV", Tags: []string{tag},
		Description: "All rows that the filters select, in one file, in UTF-8 with a byte order mark: without it Excel would read names in the system's own encoding. " +
			"A name or division that a spreadsheet would run as a formula is preceded by an apostrophe. A race that ranks teams has a last column for them.",
		Responses: map[string]*huma.Response{"200": {
			Description: "The table, with a header line.", Content: map[string]*huma.MediaType{"text/csv": {}},
		}},
		Errors: []int{http.StatusNotModified, http.StatusNotFound, http.StatusGone, http.StatusUnprocessableEntity},
	}, r.export)
}

func (r reading) export(ctx context.Context, in *exportInput) (*exportOutput, error) {
	if !server.IsID(in.RaceID) {
		return nil, race.ErrNotFound
	}
	version := in.Version
	if version == 0 {
		latest, err := r.board.latest(ctx, in.RaceID)
		if err != nil {
			return nil, err
		}
		version = latest.Version
	}
	var picked selection
	if version > 0 {
		loaded, err := r.board.load(ctx, in.RaceID, version)
		if err != nil {
			return nil, err
		}
		if picked, err = r.pick(ctx, in.Query, loaded, 0, 0); err != nil {
			return nil, err
		}
	}
	out := &exportOutput{
		ContentType:        "text/csv; charset=utf-8",
		ContentDisposition: `attachment; filename="standings-v` + strconv.Itoa(version) + `.csv"`,
		ETag:               entityTag(in.Query, 0, 0, nil, picked),
		CacheControl:       r.cacheControl(ctx, version == 0 || picked.named, in.Version != 0),
	}
	if Matches(in.IfNoneMatch, out.ETag) {
		return nil, NotModified(out.ETag, out.CacheControl)
	}
	var err error
	out.Body, err = table(picked)
	return out, err
}

var exportColumns = []string{
	"place", "sex_place", "division", "division_place", "bib", "name", "sex", "age", "field", "status",
	"gun_time", "net_time", "points",
}

func table(picked selection) ([]byte, error) {
	body := bytes.NewBufferString(server.ByteOrderMark)
	writer := csv.NewWriter(body)
	columns, teams := exportColumns, false
	if picked.version != nil {
		rules, err := picked.version.Rules()
		if err != nil {
			return nil, err
		}
		if teams = len(rules.Teams) > 0; teams {
			columns = append(slices.Clone(columns), "team")
		}
	}
	if err := writer.Write(columns); err != nil {
		return nil, err
	}
	for _, row := range picked.rows {
		line := cells(row, picked.names[row.UserID])
		if teams {
			line = append(line, server.SpreadsheetText(row.Team))
		}
		if err := writer.Write(line); err != nil {
			return nil, err
		}
	}
	writer.Flush()
	return body.Bytes(), writer.Error()
}

func cells(row *standings.Row, shown name) []string {
	age, points := "", ""
	if row.Age != race.UnknownAge && !shown.noAge {
		age = strconv.Itoa(row.Age)
	}
	if row.Credited {
		points = strconv.FormatInt(row.Points, 10)
	}
	return []string{
		place(row.Place), place(row.SexPlace), server.SpreadsheetText(row.Division), place(row.DivisionPlace), server.SpreadsheetText(row.Result.Bib), server.SpreadsheetText(shown.plain),
		string(row.Sex), age, string(row.Field), string(row.Result.Status), row.Result.Gun.String(), row.Result.Net.String(), points,
	}
}

func place(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}
