package maindb

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/maindb/gen"
	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/series"
)

// SeriesWithRace returns the IDs of the series of its organizer that a race is in.
func (s *Store) SeriesWithRace(ctx context.Context, raceID string) ([]string, error) {
	ids, err := s.queries.SeriesWithRace(ctx, raceID)
	if err != nil {
		return nil, fmt.Errorf("list the series of race %s: %w", raceID, err)
	}
	return ids, nil
}

// SeriesSource is what a version took from a race.
type SeriesSource struct {
	RaceID  string `json:"race_id"`
	Name    string `json:"name"`    // of the race, as it was then
	Version int    `json:"version"` // of the race's standings; 0: there was none
	Hash    string `json:"hash"`    // of what it contributed, in hexadecimal
}

// SeriesHead is a version of a series' standings without its rows.
type SeriesHead struct {
	Version    int // from 1; 0: there is none yet
	ComputedAt time.Time
	InputsHash series.Hash
	Rules      series.Rules
	Sources    []SeriesSource
	Reason     string
	Entries    int
	RowsKept   bool
}

// SeriesVersions returns up to limit versions older than before, the newest first; 0
// means all versions.
func (s *Store) SeriesVersions(ctx context.Context, seriesID string, before, limit int) ([]SeriesHead, error) {
	if before == 0 {
		before = math.MaxInt32
	}
	rows, err := s.queries.SeriesStandingsBefore(ctx, seriesID, count32(before), count32(limit))
	if err != nil {
		return nil, fmt.Errorf("list the versions of series %s: %w", seriesID, err)
	}
	heads := make([]SeriesHead, len(rows))
	for i, row := range rows {
		if heads[i], err = seriesHeadOf(row); err != nil {
			return nil, fmt.Errorf("version %d of series %s: %w", row.Version, seriesID, err)
		}
	}
	return heads, nil
}

func seriesHeadOf(row gen.SeriesStandingsBeforeRow) (SeriesHead, error) {
	head := SeriesHead{
		Version: int(row.Version), ComputedAt: row.ComputedAt, Reason: row.Reason, Entries: int(row.Entries), RowsKept: row.HasRows != 0,
	}
	copy(head.InputsHash[:], row.InputsHash)
	return head, errors.Join(json.Unmarshal([]byte(row.Rules), &head.Rules), json.Unmarshal([]byte(row.Sources), &head.Sources))
}

// SeriesStandings returns one version with its rows, which are nil if they are no
// longer kept. It returns race.ErrNotFound if there is no such version.
func (s *Store) SeriesStandings(ctx context.Context, seriesID string, version int) (SeriesHead, []series.Row, error) {
	row, err := s.queries.SeriesStandings(ctx, seriesID, count32(version))
	if errors.Is(err, sql.ErrNoRows) {
		return SeriesHead{}, nil, race.ErrNotFound
	}
	if err != nil {
		return SeriesHead{}, nil, fmt.Errorf("read version %d of series %s: %w", version, seriesID, err)
	}
	head, err := seriesHeadOf(gen.SeriesStandingsBeforeRow{
		Version: row.Version, ComputedAt: row.ComputedAt, InputsHash: row.InputsHash, Rules: row.Rules, Sources: row.Sources,
		Reason: row.Reason, Entries: row.Entries, HasRows: int64(len(row.Body)),
	})
	if err != nil || !head.RowsKept {
		return head, nil, err
	}
	rows := []series.Row{}
	unpacked, err := gzip.NewReader(bytes.NewReader(row.Body))
	if err == nil {
		err = json.NewDecoder(unpacked).Decode(&rows)
	}
	if err != nil {
		return SeriesHead{}, nil, fmt.Errorf("decode version %d of series %s: %w", version, seriesID, err)
	}
	return head, rows, nil
}

// SeriesInputs is what the standings of a series are computed from.
type SeriesInputs struct {
	Series  Series
	Latest  SeriesHead
	Entries map[string][]series.Entry // by race
	Sources []SeriesSource            // of the races that take part, without hashes
	Mark    SeriesMark
}

// SeriesMark identifies a state of the inputs, so that a change since then can be
// noticed.
type SeriesMark [sha256.Size]byte

// markOf returns the mark of a series whose races' standings have those versions.
func markOf(of *Series, versions map[string]int) (SeriesMark, error) {
	state := struct {
		Edition  int
		Rules    series.Rules
		Versions []int
	}{Edition: series.Edition, Rules: of.Rules()}
	for _, r := range state.Rules.Races {
		state.Versions = append(state.Versions, versions[r.ID])
	}
	encoded, err := json.Marshal(state)
	if err != nil {
		return SeriesMark{}, fmt.Errorf("mark series %s: %w", of.ID, err)
	}
	return sha256.Sum256(encoded), nil
}

// SeriesInputs reads the inputs of a series' standings, or returns race.ErrNotFound.
// The latest version is read first, so that the next one's inputs are never older.
func (s *Store) SeriesInputs(ctx context.Context, seriesID string) (in SeriesInputs, err error) {
	heads, err := s.SeriesVersions(ctx, seriesID, 0, 1)
	if err != nil {
		return SeriesInputs{}, err
	}
	if len(heads) > 0 {
		in.Latest = heads[0]
	}
	if in.Series, err = s.Series(ctx, seriesID); err != nil {
		return SeriesInputs{}, err
	}
	in.Entries = map[string][]series.Entry{}
	versions := map[string]int{}
	for _, r := range in.Series.Races {
		if r.Status == race.Void {
			continue
		}
		head, err := s.LatestStandings(ctx, r.ID)
		if err != nil {
			return SeriesInputs{}, err
		}
		versions[r.ID] = head.Version
		in.Sources = append(in.Sources, SeriesSource{RaceID: r.ID, Name: r.Name, Version: head.Version})
		if head.Version == 0 {
			continue
		}
		_, rows, err := s.Standings(ctx, r.ID, head.Version)
		if err != nil {
			return SeriesInputs{}, err
		}
		entries := make([]series.Entry, len(rows))
		for i, row := range rows {
			entries[i] = series.Entry{
				RecordID: row.RecordID, UserID: row.UserID, Sex: row.Sex, Age: row.Age, Field: row.Field, Status: row.Result.Status,
				Credited: row.Credited, Points: row.Points,
			}
		}
		in.Entries[r.ID] = entries
	}
	in.Mark, err = markOf(&in.Series, versions)
	return in, err
}

// SeriesBehind returns the IDs of those of up to limit series after an ID that have
// changed since they were ranked, or whose races have, and the ID to go on after,
// which is empty at the end.
func (s *Store) SeriesBehind(ctx context.Context, after string, limit int) (behind []string, next string, err error) {
	found, err := s.ListSeries(ctx, "", after, limit)
	if err != nil {
		return nil, "", err
	}
	var ids, races []string
	for _, of := range found {
		ids = append(ids, of.ID)
		for _, r := range of.Races {
			races = append(races, r.ID)
		}
	}
	slices.Sort(races)
	versions := map[string]int{}
	for part := range slices.Chunk(slices.Compact(races), chunk) {
		rows, err := s.queries.LatestVersionsOfRaces(ctx, part)
		if err != nil {
			return nil, "", fmt.Errorf("read the latest versions of %d races: %w", len(part), err)
		}
		for _, row := range rows {
			versions[row.RaceID] = int(row.Version)
		}
	}
	marked := map[string]SeriesMark{}
	for part := range slices.Chunk(ids, chunk) {
		rows, err := s.queries.SeriesMarks(ctx, part)
		if err != nil {
			return nil, "", fmt.Errorf("read the marks of %d series: %w", len(part), err)
		}
		for _, row := range rows {
			marked[row.SeriesID] = SeriesMark(row.Mark)
		}
	}
	for i := range found {
		now, err := markOf(&found[i], versions)
		if err != nil {
			return nil, "", err
		}
		if before, was := marked[found[i].ID]; !was || before != now {
			behind = append(behind, found[i].ID)
		}
	}
	if len(found) == limit {
		next = found[limit-1].ID
	}
	return behind, next, nil
}

// NewSeriesStandings is a new version of a series' standings.
type NewSeriesStandings struct {
	SeriesID   string
	Version    int // one more than the latest when the inputs were read
	ComputedAt time.Time
	InputsHash series.Hash
	Rules      series.Rules
	Sources    []SeriesSource
	Reason     string
	Rows       []series.Row
	Mark       SeriesMark
}

// AddSeriesStandings writes a version, and drops the rows of those that no longer keep
// them. It returns ErrOvertaken when there is a version with that number.
func (s *Outcomes) AddSeriesStandings(ctx context.Context, n NewSeriesStandings) error {
	rules, err := json.Marshal(n.Rules)
	if err != nil {
		return fmt.Errorf("encode the rules of series %s: %w", n.SeriesID, err)
	}
	sources, err := json.Marshal(n.Sources)
	if err != nil {
		return fmt.Errorf("encode the sources of series %s: %w", n.SeriesID, err)
	}
	var body bytes.Buffer
	packed, err := gzip.NewWriterLevel(&body, gzip.BestSpeed)
	if err != nil {
		return fmt.Errorf("encode the standings of series %s: %w", n.SeriesID, err)
	}
	if err := errors.Join(json.NewEncoder(packed).Encode(n.Rows), packed.Close()); err != nil {
		return fmt.Errorf("encode the standings of series %s: %w", n.SeriesID, err)
	}
	err = mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		q := s.queries.WithTx(tx)
		err := q.InsertSeriesStandings(ctx, gen.InsertSeriesStandingsParams{
			SeriesID: n.SeriesID, Version: count32(n.Version), ComputedAt: n.ComputedAt, InputsHash: n.InputsHash[:], Rules: string(rules),
			Sources: string(sources), Reason: n.Reason, Entries: count32(len(n.Rows)), Body: body.Bytes(),
		})
		if err != nil {
			return err
		}
		if old := outOfWindow(n.Version); len(old) > 0 {
			if err := q.DropSeriesRows(ctx, n.SeriesID, old); err != nil {
				return err
			}
		}
		return setSeriesMark(ctx, q, n.SeriesID, n.Mark)
	})
	if mysql.IsDuplicate(err) {
		return ErrOvertaken
	}
	if err != nil {
		return fmt.Errorf("add version %d of series %s: %w", n.Version, n.SeriesID, err)
	}
	return nil
}

// outOfWindow returns the versions that keep their rows until the latest one is written
// and not after it: those that leave the window, or in which the rule of keepsRows ends,
// by which old ones are ever sparser.
func outOfWindow(latest int) (versions []int32) {
	for distance, next := seriesWindow, 64; distance < latest; distance, next = next, 4*next {
		version := latest - distance
		if !keepsRows(version, latest) && (distance == seriesWindow || keepsRows(version, latest-1)) {
			versions = append(versions, count32(version))
		}
	}
	return versions
}

// MarkSeries records that the latest version is up to date with those inputs.
func (s *Outcomes) MarkSeries(ctx context.Context, seriesID string, mark SeriesMark) error {
	return setSeriesMark(ctx, s.queries, seriesID, mark)
}

func setSeriesMark(ctx context.Context, q *gen.Queries, seriesID string, mark SeriesMark) error {
	err := q.SetSeriesMark(ctx, seriesID, mark[:])
	if err != nil {
		return fmt.Errorf("mark series %s: %w", seriesID, err)
	}
	return nil
}

// SetHashes completes sources with what each race contributes.
func SetHashes(sources []SeriesSource, hashes map[string]series.Hash) {
	for i := range sources {
		hash := hashes[sources[i].RaceID]
		sources[i].Hash = hex.EncodeToString(hash[:])
	}
}
