package records

import (
	"strconv"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/race"
)

// Record is an official record as the API shows it.
type Record struct {
	RecordID string            `json:"record_id" format:"uuid"`
	RaceID   string            `json:"race_id" format:"uuid"`
	Revision int               `json:"revision" doc:"The latest: what If-Match must name to change the record."`
	Bib      string            `json:"bib" example:"1234"`
	GunTime  string            `json:"gun_time,omitempty" doc:"From the starting gun." example:"2:10:22.4"`
	NetTime  string            `json:"net_time,omitempty" doc:"From the runner's own crossing of the start line." example:"2:10:19"`
	Status   race.ResultStatus `json:"status" enum:"OK,DNF,DNS,DQ,OVERTIME"`
	Sequence int               `json:"sequence,omitempty" doc:"Order of finish as the organizer gave it."`
	Removed  bool              `json:"removed,omitempty" doc:"The record was taken back; its revisions stay."`
	Waiting  bool              `json:"waiting_for_bib,omitempty" doc:"Another record holds the bib. This one takes it over, in a new revision, as soon as it is free."`
	Credit   credit            `json:"credit"`
}

// revision is one immutable step in the life of a record.
type revision struct {
	Revision  int               `json:"revision"`
	Bib       string            `json:"bib"`
	GunTime   string            `json:"gun_time,omitempty"`
	NetTime   string            `json:"net_time,omitempty"`
	Status    race.ResultStatus `json:"status" enum:"OK,DNF,DNS,DQ,OVERTIME"`
	Sequence  int               `json:"sequence,omitempty"`
	Removed   bool              `json:"removed,omitempty"`
	Reason    string            `json:"reason,omitempty" doc:"Why it was made."`
	ChangedBy string            `json:"changed_by,omitempty" doc:"User ID of the organizer, or \"system\". For the owner of the race alone."`
	ChangedAt time.Time         `json:"changed_at"`
	TraceURL  string            `json:"trace_url" doc:"The workflow that credits this revision, in the Temporal Web UI."`
}

func viewOf(r race.Record, c credit) Record {
	return Record{
		RecordID: r.ID, RaceID: r.RaceID, Revision: r.Revision,
		Bib: r.Result.Bib, GunTime: r.Result.Gun.String(), NetTime: r.Result.Net.String(),
		Status: r.Result.Status, Sequence: r.Result.Sequence,
		Removed: r.Removed, Waiting: !r.Removed && !r.HoldsBib,
		Credit: c,
	}
}

// recordOutput answers with one record.
type recordOutput struct {
	ETag string `header:"ETag" doc:"The revision, for If-Match."`
	Body Record
}

func answer(r race.Record, c credit) *recordOutput {
	return &recordOutput{ETag: etag(r.Revision), Body: viewOf(r, c)}
}

func etag(revision int) string { return strconv.Quote(strconv.Itoa(revision)) }
