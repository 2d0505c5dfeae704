package records_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/race"
)

// timedAt gives the race timing points at 5, 10 and 15 km.
func (b *bundle) timedAt(t *testing.T) {
	t.Helper()
	_, _, err := b.main.UpdateRace(t.Context(), b.raceID, func(r *race.Race) error {
		r.Course = r.Course.With([]race.TimingPoint{
			{Name: "5 km", Distance: 5_000_000}, {Name: "10 km", Distance: 10_000_000}, {Name: "15 km", Distance: 15_000_000},
		})
		return nil
	}, nil)
	require.NoError(t, err)
}

// splitsShown are the splits of a record, and those that each revision set.
type splitsShown struct {
	Revision  int      `json:"revision"`
	Splits    []object `json:"splits"`
	Revisions []struct {
		Splits []object `json:"splits"`
		Reason string   `json:"reason"`
	} `json:"revisions"`
}

func (b *bundle) splits(t *testing.T, recordID string) splitsShown {
	t.Helper()
	answer := b.call(t, "organizer", http.MethodGet, b.path+"/"+recordID, nil)
	require.Equal(t, http.StatusOK, answer.Code, answer.Body.String())
	var got splitsShown
	require.NoError(t, json.Unmarshal(answer.Body.Bytes(), &got))
	return got
}

func TestSplits(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.timedAt(t)
	answer := b.call(t, "organizer", http.MethodPost, b.path, object{"bib": "7", "gun_time": "1:30:00", "splits": []object{
		{"point": "15K", "time": "1:05:00"}, {"point": "5 km", "time": "0:20:00"},
	}})
	require.Equal(t, http.StatusCreated, answer.Code, answer.Body.String())
	var posted shown
	require.NoError(t, json.Unmarshal(answer.Body.Bytes(), &posted))

	first := b.splits(t, posted.RecordID)
	require.Equal(t, []object{
		{"point": "5 km", "distance_m": 5000.0, "time": "0:20:00", "from": "start", "segment_time": "0:20:00", "pace": "4:00"},
		{"point": "10 km", "distance_m": 10000.0, "missing": true, "note": "no reading at 10 km"},
		{"point": "15 km", "distance_m": 15000.0, "time": "1:05:00", "from": "5 km", "segment_time": "0:45:00", "pace": "4:30"},
		{"point": "finish", "distance_m": 21097.5, "time": "1:30:00", "from": "15 km", "segment_time": "0:25:00", "pace": "4:06"},
	}, first.Splits)

	correct := func(revision string, body object, status int) problem {
		body["reason"] = "video"
		answer := b.call(t, "organizer", http.MethodPatch, b.path+"/"+posted.RecordID, body, header{"If-Match": revision})
		require.Equal(t, status, answer.Code, answer.Body.String())
		var refused problem
		require.NoError(t, json.Unmarshal(answer.Body.Bytes(), &refused))
		return refused
	}
	refused := correct("1", object{"splits": []object{{"point": "10 km", "time": "0:19:00"}}}, http.StatusUnprocessableEntity)
	require.Equal(t, "the reading at 10 km (0:19:00) is earlier than the one at 5 km (0:20:00)", refused.Errors[0].Message)
	refused = correct("1", object{"gun_time": "1:04:00"}, http.StatusUnprocessableEntity)
	require.Equal(t, "the reading at 15 km (1:05:00) is later than the finish (1:04:00)", refused.Errors[0].Message)
	require.Equal(t, "body.splits", refused.Errors[0].Location)

	correct("1", object{"splits": []object{{"point": "10 km", "time": "0:41:00"}, {"point": "15 km", "time": nil}}}, http.StatusOK)
	correct("2", object{"splits": []object{{"point": "10 km", "time": "0:41:00"}}}, http.StatusOK) // what it says already
	correct("2", object{"gun_time": "1:29:00"}, http.StatusOK)
	got := b.splits(t, posted.RecordID)
	require.Equal(t, 3, got.Revision)
	require.Equal(t, "0:41:00", got.Splits[1]["time"])
	require.Equal(t, true, got.Splits[2]["missing"])
	require.Equal(t, "1:29:00", got.Splits[3]["time"])
	require.Len(t, got.Revisions, 3)
	require.Len(t, got.Revisions[0].Splits, 2)
	require.Equal(t, []object{
		{"point": "5 km", "distance_m": 5000.0, "time": "0:20:00"}, {"point": "10 km", "distance_m": 10000.0, "time": "0:41:00"},
	}, got.Revisions[1].Splits)
	require.Nil(t, got.Revisions[2].Splits, "a correction of the time leaves the readings")

	correct("3", object{"status": "DNS", "gun_time": nil}, http.StatusOK)
	got = b.splits(t, posted.RecordID)
	require.Empty(t, got.Splits)
	require.NotNil(t, got.Revisions[3].Splits, "who did not start has no readings")
}

func TestSplitsAreChecked(t *testing.T) {
	t.Parallel()
	b := setup(t)
	post := func(body object) problem {
		answer := b.call(t, "organizer", http.MethodPost, b.path, body)
		require.Equal(t, http.StatusUnprocessableEntity, answer.Code, answer.Body.String())
		var refused problem
		require.NoError(t, json.Unmarshal(answer.Body.Bytes(), &refused))
		return refused
	}
	reading := func(point, time string) object { return object{"point": point, "time": time} }
	refused := post(object{"bib": "7", "splits": []object{reading("5 km", "0:20:00")}})
	require.Equal(t, "must be a timing point of the race, which has none: set its timing_points first", refused.Errors[0].Message)

	b.timedAt(t)
	refused = post(object{"bib": "7", "gun_time": "1:30:00", "splits": []object{
		reading("25 km", "0:20:00"), reading("5 km", "20"), reading("10 km", "0:30:00"), reading("10K", "0:31:00"),
	}})
	var locations []string
	for _, wrong := range refused.Errors {
		locations = append(locations, wrong.Location)
	}
	require.Equal(t, []string{"body.splits[0].point", "body.splits[1].time", "body.splits[3].point"}, locations)
	refused = post(object{"bib": "7", "status": "DNS", "splits": []object{reading("5 km", "0:20:00")}})
	require.Contains(t, refused.Errors[0].Message, "did not start")
	require.Zero(t, b.pokes.Load(), "nothing was written")

	answer := b.call(t, "organizer", http.MethodPost, b.path, object{"bib": "7", "status": "DNF", "splits": []object{
		reading("5 km", "0:20:00"), {"point": "10 km", "time": nil},
	}})
	require.Equal(t, http.StatusCreated, answer.Code, answer.Body.String())
}
