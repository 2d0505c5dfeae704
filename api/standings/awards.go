package standings

import (
	"bytes"
	"cmp"
	"context"
	"encoding/csv"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/standings"
)

// derived serves what is computed from one version of the standings: the ranking of
// teams, and awards.
type derived struct {
	reading
}

// VersionInput names a version. It is exported because huma ignores embedded types
// that are not.
type VersionInput struct {
	RaceID  string `path:"race_id"`
	Version int    `query:"version" minimum:"1" maximum:"2147483647" doc:"An earlier version; the latest when left out."`
}

// OfVersion is what an answer says about the version that it is computed from. It is
// exported like VersionInput.
type OfVersion struct {
	Version    int        `json:"version" doc:"The version of the standings; 0 while there is none."`
	Status     string     `json:"status" enum:"provisional,official,void"`
	ComputedAt *time.Time `json:"computed_at,omitempty" doc:"When the records and credits were read."`
}

type awardee struct {
	Rank     int    `json:"rank" doc:"Runners who share one both get it, and the next is skipped."`
	Bib      string `json:"bib"`
	Name     string `json:"name" doc:"Empty for a runner whose account was erased."`
	Sex      string `json:"sex,omitempty" enum:"M,F,X"`
	Age      *int   `json:"age,omitempty"`
	Division string `json:"division,omitempty"`
	Team     string `json:"team,omitempty"`
	Place    int    `json:"place" doc:"Overall, in the field."`
	GunTime  string `json:"gun_time,omitempty"`
	NetTime  string `json:"net_time,omitempty"`
	RecordID string `json:"record_id" format:"uuid"`
}

type prize struct {
	Category string    `json:"category" example:"W40" doc:"overall, or the name of a division."`
	Field    string    `json:"field" enum:"runner,wheelchair,handcycle"`
	Sex      string    `json:"sex,omitempty" enum:"M,F,X" doc:"The sex, for overall awards by sex."`
	Title    string    `json:"title" example:"Overall women" doc:"As it may be printed."`
	Awards   []awardee `json:"awards" nullable:"false"`
}

type awardList struct {
	OfVersion
	Rules race.AwardRules `json:"rules" doc:"The race's rules for awards as they are now."`
	Items []prize         `json:"items" nullable:"false" doc:"Overall awards first, then the divisions in the race's order."`
}

type awardsOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         awardList
}

type fileOutput struct {
	ContentType        string `header:"Content-Type"`
	ContentDisposition string `header:"Content-Disposition"`
	CacheControl       string `header:"Cache-Control"`
	Body               []byte
}

func (d derived) register(api huma.API) {
	errs := []int{http.StatusNotFound, http.StatusGone, http.StatusUnprocessableEntity}
	server.Register(api, huma.Operation{
		OperationID: "get-awards", Method: http.MethodGet, Path: "/v1/races/{race_id}/awards",
		Summary: "List who gets an award", Tags: []string{tag},
		Description: "By the race's rules for awards, from one version of the standings: as long as that is provisional, so are the awards.",
		Errors:      errs,
	}, d.awards)
	server.Register(api, huma.Operation{
		OperationID: "export-awards", Method: http.MethodGet, Path: "/v1/races/{race_id}/awards.csv",
		Summary: "Export the awards as CSV", Tags: []string{tag},
		Description: "As standings.csv, with a line for each award.", Responses: fileResponse("text/csv"), Errors: errs,
	}, d.awardsTable)
	server.Register(api, huma.Operation{
		OperationID: "print-awards", Method: http.MethodGet, Path: "/v1/races/{race_id}/awards.txt",
		Summary: "Print the awards as text", Tags: []string{tag},
		Description: "To be read out and handed over: a heading for each category, then a line for each award.",
		Responses:   fileResponse("text/plain"), Errors: errs,
	}, d.awardsText)
	d.registerTeams(api, errs)
}

func fileResponse(contentType string) map[string]*huma.Response {
	return map[string]*huma.Response{"200": {Description: "The file.", Content: map[string]*huma.MediaType{contentType: {}}}}
}

// read returns the version that was asked for, nil while there is none.
func (d derived) read(ctx context.Context, in VersionInput) (*loaded, error) {
	if !server.IsID(in.RaceID) {
		return nil, race.ErrNotFound
	}
	latest, err := d.board.latest(ctx, in.RaceID)
	if err != nil {
		return nil, err
	}
	number := cmp.Or(in.Version, latest.Version)
	if number == 0 {
		return nil, nil
	}
	return d.board.load(ctx, in.RaceID, number)
}

func (d derived) readAwards(ctx context.Context, in VersionInput) (race.Race, awardList, string, error) {
	version, err := d.read(ctx, in)
	if err != nil {
		return race.Race{}, awardList{}, "", err
	}
	of, err := d.board.store.Race(ctx, in.RaceID)
	if err != nil {
		return race.Race{}, awardList{}, "", err
	}
	cacheControl := cacheLatest
	body := awardList{
		OfVersion: OfVersion{Status: string(race.Provisional)}, Rules: of.Awards, Items: []prize{},
	}
	if version == nil {
		return of, body, cacheControl, nil
	}
	body.OfVersion = versionOf(version)
	rules, err := version.Rules()
	if err != nil {
		return race.Race{}, awardList{}, "", err
	}
	prizes := standings.Awards(of.Awards, rules.Divisions, version.rows)
	var awarded []*standings.Row
	for _, p := range prizes {
		for _, a := range p.Awards {
			awarded = append(awarded, a.Row)
		}
	}
	names, err := d.namesOf(ctx, in.RaceID, awarded)
	if err != nil {
		cacheControl = d.cacheControl(ctx, false, false)
	}
	for _, p := range prizes {
		shown := prize{Category: p.Category, Field: string(p.Field), Sex: string(p.Sex), Title: titleOf(p)}
		for _, a := range p.Awards {
			shown.Awards = append(shown.Awards, awardeeOf(a, names))
		}
		body.Items = append(body.Items, shown)
	}
	return of, body, cacheControl, nil
}

func versionOf(version *loaded) OfVersion {
	return OfVersion{Version: version.Version, Status: string(version.Status), ComputedAt: &version.ComputedAt}
}

func titleOf(p standings.Prize) string {
	title := p.Category
	if p.Overall {
		title = "Overall"
		switch p.Sex {
		case race.Female:
			title += " women"
		case race.Male:
			title += " men"
		case race.NonBinary:
			title += " non-binary"
		}
	}
	if p.Field != race.Runner {
		title += ", " + string(p.Field)
	}
	return title
}

func awardeeOf(a standings.Award, names map[string]name) awardee {
	row := placingOf(a.Row, names)
	return awardee{
		Rank: a.Rank, Bib: row.Bib, Name: row.Name, Sex: row.Sex, Age: row.Age, Division: row.Division, Team: a.Row.Team, Place: row.Place,
		GunTime: row.GunTime, NetTime: row.NetTime, RecordID: row.RecordID,
	}
}

func (d derived) awards(ctx context.Context, in *VersionInput) (*awardsOutput, error) {
	_, body, cacheControl, err := d.readAwards(ctx, *in)
	if err != nil {
		return nil, err
	}
	return &awardsOutput{CacheControl: cacheControl, Body: body}, nil
}

func (d derived) awardsTable(ctx context.Context, in *VersionInput) (*fileOutput, error) {
	_, body, cacheControl, err := d.readAwards(ctx, *in)
	if err != nil {
		return nil, err
	}
	rows := [][]string{{"category", "sex", "field", "rank", "bib", "name", "age", "division", "team", "place", "gun_time", "net_time"}}
	for _, p := range body.Items {
		for _, a := range p.Awards {
			rows = append(rows, []string{
				server.SpreadsheetText(p.Category), p.Sex, p.Field, strconv.Itoa(a.Rank), server.SpreadsheetText(a.Bib), server.SpreadsheetText(a.Name), ageText(a.Age), server.SpreadsheetText(a.Division),
				server.SpreadsheetText(a.Team), strconv.Itoa(a.Place), a.GunTime, a.NetTime,
			})
		}
	}
	return csvFile("awards", body.Version, cacheControl, rows)
}

func ageText(age *int) string {
	if age == nil {
		return ""
	}
	return strconv.Itoa(*age)
}

func csvFile(name string, version int, cacheControl string, rows [][]string) (*fileOutput, error) {
	body := bytes.NewBufferString(server.ByteOrderMark)
	writer := csv.NewWriter(body)
	if err := writer.WriteAll(rows); err != nil {
		return nil, err
	}
	return &fileOutput{
		ContentType:        "text/csv; charset=utf-8",
		ContentDisposition: fmt.Sprintf(`attachment; filename="%s-v%d.csv"`, name, version),
		CacheControl:       cacheControl, Body: body.Bytes(),
	}, nil
}

func (d derived) awardsText(ctx context.Context, in *VersionInput) (*fileOutput, error) {
	of, body, cacheControl, err := d.readAwards(ctx, *in)
	if err != nil {
		return nil, err
	}
	var text strings.Builder
	fmt.Fprintf(&text, "%s, %s\nAwards by version %d of the standings, %s\n", of.Name, of.Date, body.Version, body.Status)
	if len(body.Items) == 0 {
		text.WriteString("\nNobody gets an award.\n")
	}
	for _, p := range body.Items {
		fmt.Fprintf(&text, "\n%s\n", p.Title)
		table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
		for _, a := range p.Awards {
			ranking := a.GunTime
			if of.Ranking.Basis == race.Net || ranking == "" {
				ranking = a.NetTime
			}
			_, _ = fmt.Fprintf(table, "%3d.\t%s\t%s\t%s\t%s\n", a.Rank, a.Name, "bib "+a.Bib, ranking, a.Team) // Flush returns its error
		}
		if err := table.Flush(); err != nil {
			return nil, err
		}
	}
	return &fileOutput{
		ContentType:        "text/plain; charset=utf-8",
		ContentDisposition: fmt.Sprintf(`inline; filename="awards-v%d.txt"`, body.Version),
		CacheControl:       cacheControl, Body: []byte(text.String()),
	}, nil
}
