package backup

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// stampFormat is how moments look in names: sortable, in UTC, to the millisecond.
const stampFormat = "20060102T150405.000Z"

var logName = regexp.MustCompile(`/logs/([\w-]+\.(\d+))-(\d{8}T\d{6}\.\d{3}Z)-([0-9a-f]{64})\.gz$`)

// manifest describes the dumps that were made together.
type manifest struct {
	Server   string    `json:"server"`
	Timeline string    `json:"series"`   // as its first backups named it
	BeganAt  time.Time `json:"began_at"` // of the dumps, to the millisecond: it names their folder
	TakenAt  time.Time `json:"taken_at"` // when the last dump was done
	Version  string    `json:"server_version"`
	Dumps    []dump    `json:"dumps"`
}

type dump struct {
	Database string   `json:"database"`
	File     string   `json:"file"`
	SHA256   string   `json:"sha256"`
	Bytes    int64    `json:"bytes"`
	Tables   []string `json:"tables"`
	// Empty: nobody has used the database yet, as on a server that has just been set up.
	Empty bool `json:"empty,omitempty"`
	// Log and Position say where the binary logs continue from this dump; Log is empty
	// when the server keeps none.
	Log      string `json:"log,omitempty"`
	Position int64  `json:"position,omitempty"`
}

func (m manifest) dump(database string) (dump, bool) {
	i := slices.IndexFunc(m.Dumps, func(d dump) bool { return d.Database == database })
	if i < 0 {
		return dump{}, false
	}
	return m.Dumps[i], true
}

// keptLog is a binary log in the place.
type keptLog struct {
	name   string // in the place
	log    string
	number int
	until  time.Time
	sha256 string
}

func parseLog(name string) (keptLog, bool) {
	found := logName.FindStringSubmatch(name)
	if found == nil {
		return keptLog{}, false
	}
	number, err := strconv.Atoi(found[2])
	until, timeErr := time.Parse(stampFormat, found[3])
	return keptLog{name: name, log: found[1], number: number, until: until, sha256: found[4]}, err == nil && timeErr == nil
}

// logNumber is the number in the name of a binary log; -1 when it has none.
func logNumber(log string) int {
	number, err := strconv.Atoi(strings.TrimPrefix(path.Ext(log), "."))
	if err != nil {
		return -1
	}
	return number
}

// inventory is what a place holds.
type inventory struct {
	manifests []manifest
	logs      []keptLog
	names     map[string]time.Time // the time of each file's dump or log
}

// readPlace reads the manifests under a prefix, and the names of the logs.
func readPlace(ctx context.Context, place Place, prefix string) (inventory, error) {
	names, err := place.List(ctx, prefix)
	if err != nil {
		return inventory{}, fmt.Errorf("list the backups: %w", err)
	}
	kept := inventory{names: map[string]time.Time{}}
	for _, name := range names {
		if log, ok := parseLog(name); ok {
			kept.logs, kept.names[name] = append(kept.logs, log), log.until
			continue
		}
		taken, err := time.Parse(stampFormat, path.Base(path.Dir(name)))
		if err != nil {
			continue // not ours
		}
		kept.names[name] = taken
		if path.Base(name) != "manifest.json" {
			continue
		}
		var text bytes.Buffer
		var m manifest
		if err := place.Get(ctx, name, &text); err != nil {
			return inventory{}, err
		}
		if err := json.Unmarshal(text.Bytes(), &m); err != nil {
			return inventory{}, fmt.Errorf("read %s: %w", name, err)
		}
		kept.manifests = append(kept.manifests, m)
	}
	slices.SortFunc(kept.manifests, func(a, b manifest) int { return a.TakenAt.Compare(b.TakenAt) })
	return kept, nil
}

func (i inventory) newest() *manifest {
	if len(i.manifests) == 0 {
		return nil
	}
	return &i.manifests[len(i.manifests)-1]
}

// firstLog is the number of the first binary log that any dump needs.
func (i inventory) firstLog() int {
	first := -1
	for _, m := range i.manifests {
		for _, d := range m.Dumps {
			if number := logNumber(d.Log); number >= 0 && (first < 0 || number < first) {
				first = number
			}
		}
	}
	return first
}

func (i inventory) hasLog(log string) bool {
	return slices.ContainsFunc(i.logs, func(k keptLog) bool { return k.log == log })
}

// deleteOld deletes what is not needed to restore to a moment after the given one:
// everything older than the last dump before it.
func deleteOld(ctx context.Context, place Place, server string, after time.Time) (deleted int, err error) {
	kept, err := readPlace(ctx, place, server+"/")
	if err != nil {
		return 0, err
	}
	var base time.Time
	for _, m := range kept.manifests {
		if !m.TakenAt.After(after) {
			base = m.BeganAt
		}
	}
	for name, at := range kept.names {
		if !at.Before(base) {
			continue
		}
		if err := place.Delete(ctx, name); err != nil {
			return deleted, fmt.Errorf("delete an old backup: %w", err)
		}
		deleted++
	}
	return deleted, nil
}

// source is what a database is restored from.
type source struct {
	dump
	taken time.Time
	logs  []keptLog
}

// chooseDump returns the newest dump of a database before a moment.
func chooseDump(kept inventory, database string, at time.Time) (from manifest, s source, err error) {
	var used manifest // the newest that was not empty
	for _, m := range kept.manifests {
		if d, has := m.dump(database); has && (at.IsZero() || !m.TakenAt.After(at)) {
			from, s.dump, s.taken = m, d, m.TakenAt
			if !d.Empty {
				used = m
			}
		}
	}
	switch {
	case at.IsZero() && s.Empty && used.Timeline != "" && used.Timeline != from.Timeline:
		return manifest{}, source{}, fmt.Errorf("the newest backup, of %s, is of a database that nobody had used yet: give AT=%s for what was there before, or a later moment for what came since",
			s.taken.Format(time.RFC3339Nano), kept.reach(used).Format(time.RFC3339Nano))
	case s.File == "" && at.IsZero():
		return manifest{}, source{}, errors.New("there is no backup of it")
	case s.File == "":
		return manifest{}, source{}, fmt.Errorf("there is no backup from before %s", at.Format(time.RFC3339))
	case s.Log == "" && !at.IsZero():
		return manifest{}, source{}, errors.New("its backups have no binary logs: it can only be restored to the moment of a dump, without AT")
	}
	return from, s, nil
}

// choose returns the newest dump of a database before a moment, and the logs that
// lead from it to the moment.
func choose(kept inventory, database string, at time.Time) (source, error) {
	from, s, err := chooseDump(kept, database, at)
	if err != nil || s.Log == "" {
		return s, err
	}
	under := path.Join(from.Server, from.Timeline) + "/"
	next, until := logNumber(s.Log), s.taken
	logs := slices.SortedFunc(slices.Values(kept.logs), func(a, b keptLog) int { return a.number - b.number })
	for _, k := range logs {
		if !strings.HasPrefix(k.name, under) || k.number < next {
			continue
		}
		if k.number > next {
			return source{}, fmt.Errorf("binary log %d is missing: it can only be restored to a moment up to %s", next, until.Format(time.RFC3339))
		}
		s.logs = append(s.logs, k)
		next, until = k.number+1, k.until
		if !at.IsZero() && !until.Before(at) {
			return s, nil
		}
	}
	if !at.IsZero() {
		return source{}, fmt.Errorf("the backups end at %s", until.Format(time.RFC3339))
	}
	return s, nil
}

// reach is the moment until which the timeline of a dump can be restored.
func (i inventory) reach(m manifest) time.Time {
	until := m.TakenAt
	for _, k := range i.logs {
		if strings.HasPrefix(k.name, path.Join(m.Server, m.Timeline)+"/") && k.until.After(until) {
			until = k.until
		}
	}
	return until
}
