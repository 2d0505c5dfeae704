package sample

import (
	"bytes"
	"compress/gzip"
	"embed"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math"
)

//go:embed boston_2004/race.json boston_2004/results.csv.gz
var files embed.FS

// Race is a real race as an organizer has it: its settings, who started
// and how they finished.
type Race struct {
	Create    RaceRequest
	StartList []byte // CSV: bib,name,sex,age,field
	Results   []byte // CSV: bib,gun_time,net_time,status
	Rows      int
}

// RaceRequest is the body of POST /v1/races.
type RaceRequest struct {
	Name      string     `json:"name"`
	Date      string     `json:"date"`
	DistanceM int        `json:"distance_m"`
	City      string     `json:"city"`
	Ranking   Ranking    `json:"ranking"`
	Divisions []Division `json:"divisions"`
	Scoring   string     `json:"scoring"`
}

// Ranking says which time ranks and how ties are broken.
type Ranking struct {
	Basis string `json:"basis"`
	Ties  string `json:"ties"`
}

// Division is a group with places of its own. MaxAge 0 means no limit.
type Division struct {
	Name   string `json:"name"`
	Sex    string `json:"sex"`
	Field  string `json:"field"`
	MinAge int    `json:"min_age"`
	MaxAge int    `json:"max_age,omitempty"`
}

// Boston2004 is the Boston Marathon of 2004: 16,783 finishers without names,
// whose bibs are not the real ones (collected in llimllib/bostonmarathon, MIT).
// rows limits it to the first rows; 0 means all.
func Boston2004(rows int) (Race, error) {
	var r Race
	text, err := files.ReadFile("boston_2004/race.json")
	if err != nil {
		return Race{}, fmt.Errorf("read the sample race: %w", err)
	}
	if r.Create, err = describe(text); err != nil {
		return Race{}, fmt.Errorf("read the sample race: %w", err)
	}
	packed, err := files.ReadFile("boston_2004/results.csv.gz")
	if err != nil {
		return Race{}, fmt.Errorf("read the sample results: %w", err)
	}
	unpacked, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return Race{}, fmt.Errorf("unpack the sample results: %w", err)
	}
	table, err := csv.NewReader(unpacked).ReadAll()
	if err != nil {
		return Race{}, fmt.Errorf("read the sample results: %w", err)
	}
	if rows > 0 && rows+1 < len(table) {
		table = table[:rows+1]
	}
	r.Rows = len(table) - 1
	if r.StartList, err = columns(table, "bib", "name", "sex", "age", "field"); err != nil {
		return Race{}, err
	}
	if r.Results, err = columns(table, "bib", "gun_time", "net_time", "status"); err != nil {
		return Race{}, err
	}
	return r, nil
}

// describe turns the file's description of the race into the API's.
func describe(text []byte) (RaceRequest, error) {
	var file struct {
		Name         string   `json:"name"`
		Date         string   `json:"date"`
		DistanceKM   float64  `json:"distance_km"`
		RankingBasis string   `json:"ranking_basis"`
		Ties         string   `json:"ties"`
		AgeBands     [][2]int `json:"age_bands"` // from, to; the last has no end
	}
	if err := json.Unmarshal(text, &file); err != nil {
		return RaceRequest{}, err
	}
	req := RaceRequest{
		Name: file.Name, Date: file.Date, City: "Boston",
		DistanceM: int(math.Round(file.DistanceKM * 1000)),
		Ranking:   Ranking{Basis: file.RankingBasis, Ties: file.Ties},
		Scoring:   "agegrade-2025",
	}
	for _, sex := range []string{"F", "M"} {
		for _, band := range file.AgeBands {
			d := Division{Sex: sex, Field: "runner", MinAge: band[0], MaxAge: band[1]}
			d.Name = fmt.Sprintf("%s%d-%d", sex, d.MinAge, d.MaxAge)
			if d.MaxAge == 0 {
				d.Name = fmt.Sprintf("%s%d+", sex, d.MinAge)
			}
			req.Divisions = append(req.Divisions, d)
		}
	}
	return req, nil
}

// columns writes some columns of a table with a header as CSV. The data has no names, so
// the column name is derived from the bib.
func columns(table [][]string, names ...string) ([]byte, error) {
	at := map[string]int{}
	for i, name := range table[0] {
		at[name] = i
	}
	var out bytes.Buffer
	w := csv.NewWriter(&out)
	_ = w.Write(names) // Flush reports it, as for every row
	for _, row := range table[1:] {
		cells := make([]string, 0, len(names))
		for _, name := range names {
			if name == "name" {
				cells = append(cells, "Bib "+row[at["bib"]])
				continue
			}
			cells = append(cells, row[at[name]])
		}
		_ = w.Write(cells)
	}
	w.Flush()
	if err := w.Error(); err != nil {
		return nil, fmt.Errorf("write the sample as CSV: %w", err)
	}
	return out.Bytes(), nil
}
