package standings

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/racefile"
	"github.com/mrmrthon/mrmrthon/internal/standings"
)

// resultsExport serves results as files that other sites take.
type resultsExport struct {
	derived
	store *maindb.Store
	// writing limits how many files are written at once: anybody may ask for one, and
	// a workbook of 30,000 results takes a second of a processor core.
	writing chan struct{}
}

func newResultsExport(read reading, store *maindb.Store) resultsExport {
	return resultsExport{derived: derived{read}, store: store, writing: make(chan struct{}, 1)}
}

type resultsExportInput struct {
	VersionInput
	Format racefile.ExportFormat `query:"format" enum:"csv,xlsx,runsignup,ultrasignup,athlinks,iof" default:"csv" doc:"csv and xlsx hold everything; the others are the upload formats of RunSignup, UltraSignup and Athlinks, and IOF XML 3.0."`
	Field  race.Field            `query:"field" enum:"runner,wheelchair,handcycle" doc:"Only this field. When left out: all fields in csv and xlsx, runners in the others, which cannot tell fields apart."`
}

func (e resultsExport) register(api huma.API) {
	content := map[string]*huma.MediaType{}
	for _, format := range []racefile.ExportFormat{racefile.ExportCSV, racefile.ExportXLSX, racefile.ExportIOF} {
		content[format.ContentType()] = &huma.MediaType{}
	}
	server.Register(api, huma.Operation{
		OperationID: "export-results", Method: http.MethodGet, Path: "/v1/races/{race_id}/results/export",
		Summary: "Export the results of a race for other programs and sites", Tags: []string{tag},
		Description: "The results of one version of the standings, with names and the splits as they are now; an import takes each file back. " +
			"What a format has no place for is left out: UltraSignup splits, teams and divisions; IOF XML ages, and sexes but M and F; " +
			"UltraSignup, Athlinks and IOF XML the time that does not rank. In tables of text, a cell that a spreadsheet would run as a formula is preceded by an apostrophe.",
		Responses: map[string]*huma.Response{"200": {Description: "The file.", Content: content}},
		Errors:    []int{http.StatusNotFound, http.StatusGone, http.StatusUnprocessableEntity},
	}, e.handle)
}

func (e resultsExport) handle(ctx context.Context, in *resultsExportInput) (*fileOutput, error) {
	version, err := e.read(ctx, in.VersionInput)
	if err != nil {
		return nil, err
	}
	of, err := e.store.Race(ctx, in.RaceID)
	if err != nil {
		return nil, err
	}
	select {
	case e.writing <- struct{}{}:
		defer func() { <-e.writing }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if in.Field == "" && !in.Format.WholeRace() {
		in.Field = race.Runner
	}
	list := racefile.Listing{Race: of.Name, Date: of.Date, Ranking: of.Ranking, Points: of.Course.Points, At: of.CreatedAt}
	number := 0
	if version != nil {
		number = version.Version
		if err := e.fill(ctx, &list, version, in); err != nil {
			return nil, err
		}
	}
	var file bytes.Buffer
	if err := racefile.Export(&file, in.Format, list); err != nil {
		return nil, fmt.Errorf("export the results of race %s: %w", in.RaceID, err)
	}
	return &fileOutput{
		ContentType:        in.Format.ContentType(),
		ContentDisposition: fmt.Sprintf(`attachment; filename="results-%s-v%d%s"`, in.Format, number, in.Format.Extension()),
		CacheControl:       cmp.Or(map[bool]string{true: cacheFixed}[in.Version != 0], cacheLatest), Body: file.Bytes(),
	}, nil
}

// fill adds the results of a version. It fails when names cannot be read: a file
// without them would be taken for complete.
func (e resultsExport) fill(ctx context.Context, list *racefile.Listing, version *loaded, in *resultsExportInput) error {
	rules, err := version.Rules()
	if err != nil {
		return err
	}
	list.Ranking, list.Official, list.At = rules.Ranking, version.Status == race.Official, version.ComputedAt
	var rows []*standings.Row
	for i := range version.rows {
		if in.Field == "" || version.rows[i].Field == in.Field {
			rows = append(rows, &version.rows[i])
		}
	}
	names, err := e.namesOf(ctx, in.RaceID, rows)
	if err != nil {
		return fmt.Errorf("read the names of race %s: %w", in.RaceID, err)
	}
	teams, err := e.store.TeamsOfRace(ctx, in.RaceID)
	if err != nil {
		return err
	}
	var splits map[string]race.Splits
	if len(list.Points) > 0 {
		if splits, err = e.store.SplitsOfRace(ctx, in.RaceID); err != nil {
			return err
		}
	}
	for _, row := range rows {
		age := row.Age
		if names[row.UserID].noAge {
			age = race.UnknownAge
		}
		list.Rows = append(list.Rows, racefile.ExportedRow{
			Place: row.Place, SexPlace: row.SexPlace, DivisionPlace: row.DivisionPlace, Name: names[row.UserID].plain,
			Sex: row.Sex, Age: age, Field: row.Field, Division: row.Division, Team: cmp.Or(row.Team, teams[row.UserID]),
			Result: row.Result, Splits: splits[row.RecordID],
		})
	}
	return nil
}
