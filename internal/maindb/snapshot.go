package maindb

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"

	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/standings"
)

// snapshotColumns are the columns of a snapshot, in the order of cells.
var snapshotColumns = []string{
	"place", "sex_place", "division", "division_place", "bib", "sex", "age", "field", "status", "gun_ms", "net_ms",
	"sequence", "points", "record_id", "revision", "user_id",
}

// The columns that follow the others only if a row has a value in them, so that
// earlier releases can read the snapshots of all other races: the reason why a time
// is implausible, and behind it the team.
const (
	implausibleColumn = "implausible"
	teamColumn        = "team"
)

// sizeBytes is the length of the prefix that MySQL's COMPRESS puts before a zlib
// stream: the size of the plain text, little endian.
const sizeBytes = 4

// differenceColumns are the columns of a difference. The additional columns keep
// earlier releases, which do not know differences, from reading one as a complete
// snapshot.
var differenceColumns = append(slices.Clone(snapshotColumns), implausibleColumn, "removed")

func hasTeam(rows []standings.Row) bool {
	return slices.ContainsFunc(rows, func(r standings.Row) bool { return r.Team != "" })
}

// encodeSnapshot encodes rows as CSV, compressed as by the database's own COMPRESS,
// so that an operator can read it with UNCOMPRESS. 30,000 rows take 1.45 MB.
func encodeSnapshot(rows []standings.Row) ([]byte, error) {
	columns := snapshotColumns
	switch {
	case hasTeam(rows):
		columns = append(slices.Clone(columns), implausibleColumn, teamColumn)
	case slices.ContainsFunc(rows, func(r standings.Row) bool { return r.Implausible != "" }):
		columns = append(slices.Clone(columns), implausibleColumn)
	}
	return encodeTable(columns, len(rows), func(i int, cells []string) { fillCells(cells, &rows[i]) })
}

func encodeDifference(changed []changedRow) ([]byte, error) {
	columns := differenceColumns
	if slices.ContainsFunc(changed, func(c changedRow) bool { return c.Team != "" }) {
		columns = slices.Insert(slices.Clone(columns), len(columns)-1, teamColumn)
	}
	return encodeTable(columns, len(changed), func(i int, cells []string) {
		last := len(cells) - 1
		fillCells(cells[:last], &changed[i].Row)
		cells[last] = ""
		if changed[i].removed {
			cells[last] = "1"
		}
	})
}

// packing is the compression level above which more time no longer pays: for 30,000
// rows level 1 takes 55 ms and 1.65 MB, level 4 takes 90 ms and 1.45 MB, level 9
// takes 170 ms and 1.41 MB. Most of it is IDs.
const packing = 4

func encodeTable(columns []string, rows int, fill func(i int, cells []string)) ([]byte, error) {
	var packed bytes.Buffer
	packed.Write(make([]byte, sizeBytes))
	deflate, err := zlib.NewWriterLevel(&packed, packing)
	if err != nil {
		return nil, err
	}
	counted := &countingWriter{to: deflate}
	table := csv.NewWriter(counted)
	if err := table.Write(columns); err != nil {
		return nil, err
	}
	cells := make([]string, len(columns))
	for i := range rows {
		fill(i, cells)
		if err := table.Write(cells); err != nil {
			return nil, err
		}
	}
	table.Flush()
	if err := errors.Join(table.Error(), deflate.Close()); err != nil {
		return nil, err
	}
	if counted.n > math.MaxInt32 {
		return nil, fmt.Errorf("%d bytes are too many for a snapshot", counted.n)
	}
	binary.LittleEndian.PutUint32(packed.Bytes(), uint32(counted.n)) //nolint:gosec // checked above
	return packed.Bytes(), nil
}

type countingWriter struct {
	to io.Writer
	n  int
}

func (w *countingWriter) Write(data []byte) (int, error) {
	n, err := w.to.Write(data)
	w.n += n
	return n, err
}

func fillCells(cells []string, r *standings.Row) {
	age, points := "", ""
	if r.Age != race.UnknownAge {
		age = strconv.Itoa(r.Age)
	}
	if r.Credited {
		points = strconv.FormatInt(r.Points, 10)
	}
	copy(cells, []string{
		positive(r.Place), positive(r.SexPlace), r.Division, positive(r.DivisionPlace), r.Result.Bib, string(r.Sex), age,
		string(r.Field), string(r.Result.Status), positive(int(r.Result.Gun)), positive(int(r.Result.Net)),
		positive(r.Result.Sequence), points, r.RecordID, strconv.Itoa(r.Revision), r.UserID,
	})
	if len(cells) > len(snapshotColumns) {
		cells[len(snapshotColumns)] = r.Implausible
	}
	if len(cells) > len(snapshotColumns)+1 {
		cells[len(snapshotColumns)+1] = r.Team
	}
}

// positive formats a number; zero, which means none, becomes the empty string.
func positive(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

func decodeSnapshot(body []byte, entries int) ([]standings.Row, error) {
	rows := make([]standings.Row, 0, entries)
	err := decodeTable(body, len(snapshotColumns), func(cells []string) error {
		row, err := rowOf(cells)
		rows = append(rows, row)
		return err
	})
	return rows, err
}

func decodeDifference(body []byte) ([]changedRow, error) {
	var changed []changedRow
	err := decodeTable(body, len(differenceColumns), func(cells []string) error {
		last := len(cells) - 1
		row, err := rowOf(cells[:last])
		changed = append(changed, changedRow{Row: row, removed: cells[last] != ""})
		return err
	})
	return changed, err
}

// decodeTable calls take with the cells of each row, of which there must be at
// least least. The slice is reused for the next row.
func decodeTable(body []byte, least int, take func(cells []string) error) error {
	if len(body) < sizeBytes {
		return errors.New("the snapshot is truncated")
	}
	inflate, err := zlib.NewReader(bytes.NewReader(body[sizeBytes:]))
	if err != nil {
		return fmt.Errorf("decompress the snapshot: %w", err)
	}
	table := csv.NewReader(inflate)
	table.ReuseRecord = true // it also requires as many cells in each row as in the first
	columns, err := table.Read()
	if err == nil && len(columns) < least {
		err = fmt.Errorf("%d columns are too few", len(columns))
	}
	if err != nil {
		return fmt.Errorf("read the snapshot's columns: %w", err)
	}
	for row := 1; ; row++ {
		cells, err := table.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the snapshot: %w", err)
		}
		if err := take(cells); err != nil {
			return fmt.Errorf("read row %d of the snapshot: %w", row, err)
		}
	}
}

func rowOf(cells []string) (standings.Row, error) {
	var failed error
	number := func(cell string, empty int64) int64 {
		if cell == "" {
			return empty
		}
		n, err := strconv.ParseInt(cell, 10, 64)
		failed = errors.Join(failed, err)
		return n
	}
	implausible, team := "", ""
	if len(cells) > len(snapshotColumns) {
		implausible = cells[len(snapshotColumns)]
	}
	if len(cells) > len(snapshotColumns)+1 {
		team = cells[len(snapshotColumns)+1]
	}
	return standings.Row{
		Place: int(number(cells[0], 0)), SexPlace: int(number(cells[1], 0)),
		Division: cells[2], DivisionPlace: int(number(cells[3], 0)),
		Entry: standings.Entry{
			Sex: race.Sex(cells[5]), Age: int(number(cells[6], race.UnknownAge)), Field: race.Field(cells[7]),
			Result: race.Result{
				Bib: cells[4], Status: race.ResultStatus(cells[8]), Gun: race.Time(number(cells[9], 0)),
				Net: race.Time(number(cells[10], 0)), Sequence: int(number(cells[11], 0)),
			},
			Credited: cells[12] != "", Points: number(cells[12], 0),
			RecordID: cells[13], Revision: int(number(cells[14], 0)), UserID: cells[15], Implausible: implausible, Team: team,
		},
	}, failed
}
