package maindb

import (
	"bytes"
	"compress/gzip"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/maindb/gen"
	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// contentPart is how many compressed bytes one row holds: far below the packet of
// 16 MiB that servers take by default.
const contentPart = 4 << 20

// putContents stores contents of an import.
func putContents(ctx context.Context, tx *sql.Tx, importID, raceID string, contents map[ImportContent][]byte) error {
	const into = `INSERT INTO import_content (import_id, content, part, race_id, body) VALUES `
	for content, body := range contents {
		var packed bytes.Buffer
		w, err := gzip.NewWriterLevel(&packed, gzip.BestSpeed)
		if err != nil {
			return err
		}
		if _, err := w.Write(body); err != nil {
			return fmt.Errorf("compress the %s of an import: %w", content, err)
		}
		if err := w.Close(); err != nil {
			return fmt.Errorf("compress the %s of an import: %w", content, err)
		}
		part := 0
		for piece := range slices.Chunk(packed.Bytes(), contentPart) {
			err := insertRows(ctx, tx, into, [][]byte{piece}, func(args []any, piece []byte) []any {
				return append(args, importID, string(content), part, raceID, piece)
			})
			if err != nil {
				return err
			}
			part++
		}
	}
	return nil
}

// ImportContent returns a content of an import of a race. It returns
// race.ErrNotFound when the import has none, or no longer has it.
func (s *Store) ImportContent(ctx context.Context, importID string, content ImportContent) ([]byte, error) {
	return contentOf(ctx, s.queries, importID, content)
}

func contentOf(ctx context.Context, q *gen.Queries, importID string, content ImportContent) ([]byte, error) {
	parts, err := q.ImportContent(ctx, importID, string(content))
	if err != nil {
		return nil, fmt.Errorf("read the %s of import %s: %w", content, importID, err)
	}
	if len(parts) == 0 {
		return nil, race.ErrNotFound
	}
	r, err := gzip.NewReader(bytes.NewReader(bytes.Join(parts, nil)))
	if err != nil {
		return nil, fmt.Errorf("unpack the %s of import %s: %w", content, importID, err)
	}
	body, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("unpack the %s of import %s: %w", content, importID, err)
	}
	return body, nil
}

// PurgeImports deletes the plans that nobody has applied in time, and the contents
// of imports that were applied long enough ago. What these imports did stays, and
// so does the fact that they did it. It returns how many imports it was about.
func (s *Store) PurgeImports(ctx context.Context) (purged int, err error) {
	const atOnce = 100
	for {
		ended, err := s.queries.EndedImports(ctx, sql.NullTime{Time: s.now(), Valid: true}, atOnce)
		if err != nil {
			return purged, fmt.Errorf("list the imports that are kept no longer: %w", err)
		}
		for _, row := range ended {
			err := mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
				q := s.queries.WithTx(tx)
				if err := q.DeleteImportContents(ctx, row.ImportID); err != nil {
					return err
				}
				if err := q.DeletePlannedImport(ctx, row.ImportID); err != nil {
					return err
				}
				return q.ForgetImportEnd(ctx, row.ImportID)
			})
			if err != nil {
				return purged, fmt.Errorf("delete the contents of import %s: %w", row.ImportID, err)
			}
			purged++
		}
		if len(ended) < atOnce {
			return purged, nil
		}
	}
}

// Mapping is what an organizer says the columns of a file mean, by header.
type Mapping map[string]string

// maxMappings is how many mappings of an organizer are looked at.
const maxMappings = 100

// Mappings returns the mappings of an organizer by the shape of the headers that
// they are for, the latest ones.
func (s *Store) Mappings(ctx context.Context, organizerID string) (map[string]Mapping, error) {
	rows, err := s.queries.ImportMappings(ctx, organizerID, maxMappings)
	if err != nil {
		return nil, fmt.Errorf("read the mappings of an organizer: %w", err)
	}
	mappings := make(map[string]Mapping, len(rows))
	for _, row := range rows {
		var m Mapping
		if err := json.Unmarshal(row.Mapping, &m); err != nil {
			return nil, fmt.Errorf("read a mapping: %w", err)
		}
		mappings[string(row.Shape)] = m
	}
	return mappings, nil
}

// RememberMapping keeps a mapping for files of that shape; an empty one forgets
// what was kept. It returns race.ErrLeft when the organizer's account has been erased.
func (s *Store) RememberMapping(ctx context.Context, organizerID, shape string, m Mapping) error {
	if len(m) == 0 {
		if err := s.queries.DeleteImportMapping(ctx, organizerID, []byte(shape)); err != nil {
			return fmt.Errorf("forget a mapping: %w", err)
		}
		return nil
	}
	text, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("encode a mapping: %w", err)
	}
	err = mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		q := s.queries.WithTx(tx)
		if err := shareAccount(ctx, q, organizerID); err != nil {
			return err
		}
		return q.PutImportMapping(ctx, gen.PutImportMappingParams{
			OrganizerID: organizerID, Shape: []byte(shape), Mapping: text, UpdatedAt: s.now().UTC().Truncate(time.Microsecond),
		})
	})
	if err != nil {
		return fmt.Errorf("remember a mapping: %w", err)
	}
	return nil
}
