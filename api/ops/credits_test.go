package ops_test

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/temporal"
)

type listPage struct {
	Items []struct {
		RecordID         string `json:"record_id"`
		RaceID           string `json:"race_id"`
		Bib              string `json:"bib"`
		RaceName         string `json:"race_name"`
		Revision         int    `json:"revision"`
		Status           string `json:"status"`
		PendingS         int    `json:"pending_s"`
		CreditedRevision int    `json:"credited_revision"`
		Reason           string `json:"reason"`
		TraceURL         string `json:"trace_url"`
	} `json:"items"`
	NextCursor  string     `json:"next_cursor"`
	Counts      *counts    `json:"counts"`
	AsOf        *time.Time `json:"as_of"`
	Unavailable []string   `json:"unavailable"`
	Matching    int        `json:"matching"`
	Detail      string     `json:"detail"`
}

type counts struct {
	Matching int  `json:"matching"`
	Pending  int  `json:"pending"`
	Stuck    int  `json:"stuck"`
	Failed   *int `json:"failed"`
	Rejected int  `json:"rejected"`
	Credited int  `json:"credited"`
}

func (p listPage) ids() []string {
	var ids []string
	for _, item := range p.Items {
		ids = append(ids, item.RecordID)
	}
	return ids
}

func (b *bundle) list(t *testing.T, query string) listPage {
	t.Helper()
	return decode[listPage](t, b.call(t, http.MethodGet, "/v1/ops/credits?"+query, nil), http.StatusOK)
}

func TestListsOfCredits(t *testing.T) {
	t.Parallel()
	b := setup(t)
	credited, rejected := b.post(t, b.raceID, "1"), b.post(t, b.raceID, "2")
	b.settle(t, credited, race.Credited)
	b.settle(t, rejected, race.Rejected)
	// A rejection of an older revision no longer counts.
	corrected := b.post(t, b.raceID, "3")
	b.settle(t, corrected, race.Rejected)
	corrected = b.correct(t, corrected, 5_100_000)
	failed := b.post(t, b.raceID, "4")
	b.runs(failed, "Terminated")
	healed := b.post(t, b.raceID, "5")
	b.runs(healed, temporal.Running) // after a run that failed
	for _, r := range []race.Record{failed, healed, credited, corrected} {
		b.temporal.failed = append(b.temporal.failed, temporal.Run{WorkflowID: workflowID(b.raceID, r.ID, 1)})
	}
	b.inMain(t, "UPDATE official_record SET updated_at = NOW(6) - INTERVAL 1 HOUR WHERE record_id = '"+failed.ID+"'")
	calm := b.addRace(t) // nothing is pending there
	other := b.post(t, calm, "22")
	b.settle(t, other, race.Rejected)

	one := 1
	all := counts{Pending: 3, Stuck: 1, Failed: &one, Rejected: 2, Credited: 1}
	for query, want := range map[string]struct {
		ids    []string
		counts counts
	}{
		"status=pending":                      {[]string{corrected.ID, failed.ID, healed.ID}, all},
		"status=stuck":                        {[]string{failed.ID}, all},
		"status=failed":                       {[]string{failed.ID}, all},
		"status=rejected":                     {[]string{rejected.ID, other.ID}, all},
		"status=rejected&reason=bib+22":       {[]string{other.ID}, all},
		"status=rejected&race_id=" + b.raceID: {[]string{rejected.ID}, counts{Pending: 3, Stuck: 1, Failed: &one, Rejected: 1, Credited: 1}},
		"status=pending&race_id=" + calm:      {nil, counts{Rejected: 1, Failed: new(int)}},
		"status=pending&race_id=" + newID():   {nil, counts{Failed: new(int)}},
	} {
		got := b.list(t, query)
		require.Equal(t, want.ids, got.ids(), query)
		want.counts.Matching = len(want.ids)
		require.Equal(t, &want.counts, got.Counts, query)
		require.Empty(t, got.NextCursor, query)
	}

	item := b.list(t, "status=pending").Items[0]
	require.Equal(t, "pending", item.Status)
	require.Equal(t, 2, item.Revision)
	require.Equal(t, 1, item.CreditedRevision)
	require.Equal(t, "http://ui/"+workflowID(b.raceID, corrected.ID, 2), item.TraceURL)
	item = b.list(t, "status=failed").Items[0]
	require.Equal(t, "failed", item.Status)
	require.InDelta(t, time.Hour.Seconds(), item.PendingS, 60)
	item = b.list(t, "status=rejected").Items[0]
	require.Equal(t, "rejected", item.Status)
	require.Equal(t, "no participant with bib 2", item.Reason)
	require.Len(t, b.list(t, "status=stuck&older_than_s=0").Items, 3)
}

func TestListsComeInPages(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var want []string
	for _, raceID := range []string{b.raceID, b.addRace(t)} {
		for _, bib := range []string{"1", "2", "3"} {
			r := b.post(t, raceID, bib)
			if bib == "2" {
				b.settle(t, r, race.Credited)
			} else {
				want = append(want, r.ID)
			}
		}
	}
	for _, limit := range []string{"1", "2", "3", "4"} {
		var got []string
		for cursor, pages := "", 0; ; pages++ {
			page := b.list(t, "status=pending&limit="+limit+"&cursor="+cursor)
			got = append(got, page.ids()...)
			require.Equal(t, pages == 0, page.Counts != nil, "counts come with the first page")
			if pages == 0 {
				require.Equal(t, 4, page.Counts.Matching)
			}
			if cursor = page.NextCursor; cursor == "" {
				break
			}
		}
		require.Equal(t, want, got, limit)
		require.True(t, slices.IsSorted(got))
	}
}

func TestListsWhileTemporalIsDown(t *testing.T) {
	t.Parallel()
	b := setup(t)
	failed := b.post(t, b.raceID, "1")
	b.runs(failed, "Terminated")
	b.temporal.failed = []temporal.Run{{WorkflowID: workflowID(b.raceID, failed.ID, 1)}}

	b.temporal.down = true
	got := b.list(t, "status=pending")
	require.Equal(t, []string{failed.ID}, got.ids())
	require.Nil(t, got.Counts.Failed)
	require.Equal(t, []string{"temporal"}, got.Unavailable)

	got = b.list(t, "status=failed")
	require.Empty(t, got.ids())
	require.Equal(t, 1, got.Counts.Pending)
	require.Nil(t, got.Counts.Failed)
	require.Nil(t, got.AsOf)
	require.Equal(t, []string{"temporal"}, got.Unavailable)
	require.Contains(t, got.Detail, "is not known")
	answer := b.call(t, http.MethodPost, "/v1/ops/credits/retry", object{"status": "failed"})
	require.Equal(t, http.StatusServiceUnavailable, answer.Code, "an empty list would say that nothing failed")

	b.temporal.down = false
	fresh := b.list(t, "status=failed")
	require.Equal(t, []string{failed.ID}, fresh.ids())
	require.Empty(t, fresh.Unavailable)
	b.temporal.down = true
	for _, query := range []string{"status=failed", "status=failed&race_id=" + b.raceID} {
		got = b.list(t, query)
		require.Equal(t, []string{failed.ID}, got.ids(), "its last answer stands in")
		require.Equal(t, 1, *got.Counts.Failed)
		require.Equal(t, fresh.AsOf, got.AsOf)
		require.Equal(t, []string{"temporal"}, got.Unavailable)
	}
	b.ahead = 61 * time.Minute
	require.Nil(t, b.list(t, "status=failed").AsOf, "what is older than an hour says too little")
}

func TestListsRefuseInvalidQueries(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for query, location := range map[string]string{
		"":                             "query.status",
		"status=lost":                  "query.status",
		"status=pending&reason=x":      "query.reason",
		"status=pending&race_id=7":     "query.race_id",
		"status=pending&cursor=x":      "query.cursor",
		"status=unmatched&cursor=x":    "query.cursor",
		"bib=%3C":                      "query.bib",
		"bib=1&status=unmatched":       "query.bib",
		"status=pending&limit=0":       "query.limit",
		"status=stuck&older_than_s=-1": "query.older_than_s",
	} {
		answer := b.call(t, http.MethodGet, "/v1/ops/credits?"+query, nil)
		require.Equal(t, http.StatusUnprocessableEntity, answer.Code, query)
		require.Contains(t, answer.Body.String(), location, query)
	}
}

func TestCreditsOfABib(t *testing.T) {
	t.Parallel()
	b := setup(t)
	elsewhere := b.addRace(t)
	credited, other := b.post(t, b.raceID, "0101"), b.post(t, b.raceID, "102")
	b.settle(t, credited, race.Credited)
	b.settle(t, other, race.Credited)
	failed, pending := b.post(t, elsewhere, "101"), b.post(t, b.addRace(t), "101")
	b.runs(failed, "Terminated")
	b.temporal.failed = []temporal.Run{{WorkflowID: workflowID(elsewhere, failed.ID, 1)}}

	for query, want := range map[string][]string{
		"bib=101":                       {credited.ID, failed.ID, pending.ID},
		"bib=00101&race_id=" + b.raceID: {credited.ID},
		"bib=101&status=pending":        {failed.ID, pending.ID},
		"bib=101&status=failed":         {failed.ID},
		"bib=101&status=stuck":          nil,
		"bib=101&status=stuck&older_than_s=0&race_id=" + newID(): nil,
		"bib=7": nil,
	} {
		require.Equal(t, want, b.list(t, query).ids(), query)
	}
	items := b.list(t, "bib=101").Items
	require.Equal(t, "0101", items[0].Bib)
	require.Equal(t, "Harbour Half", items[0].RaceName)
	require.Equal(t, "credited", items[0].Status)
	require.Equal(t, "failed", items[1].Status)
	require.Equal(t, "pending", items[2].Status)

	var got []string
	for cursor := ""; ; {
		page := b.list(t, "bib=101&limit=1&cursor="+cursor)
		got = append(got, page.ids()...)
		if cursor = page.NextCursor; cursor == "" {
			break
		}
	}
	require.Equal(t, []string{credited.ID, failed.ID, pending.ID}, got)

	b.temporal.down = true
	page := b.list(t, "bib=101")
	require.Len(t, page.Items, 3)
	require.Equal(t, []string{"temporal"}, page.Unavailable)
}

func TestUnmatchedRevisionsAreListed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	known := b.post(t, b.raceID, "1")
	unknown := maindb.Unmatched{RaceID: b.raceID, RecordID: newID(), Revision: 1, Reason: "there is no such record"}
	ahead := maindb.Unmatched{RaceID: b.raceID, RecordID: known.ID, Revision: 2, Reason: "the record has no revision 2"}
	for range 2 { // the same message again
		require.NoError(t, b.outcomes.AddUnmatched(t.Context(), unknown))
		require.NoError(t, b.outcomes.AddUnmatched(t.Context(), ahead))
	}
	got := b.list(t, "status=unmatched&race_id="+b.raceID)
	require.ElementsMatch(t, []string{unknown.RecordID, known.ID}, got.ids())
	require.Equal(t, 2, got.Matching)
	require.Empty(t, b.list(t, "status=unmatched&race_id="+newID()).Items)
	first := b.list(t, "status=unmatched&limit=1")
	require.NotEmpty(t, first.NextCursor)
	second := b.list(t, "status=unmatched&limit=1&cursor="+first.NextCursor)
	require.Empty(t, second.NextCursor)
	require.ElementsMatch(t, got.ids(), append(first.ids(), second.ids()...))
	for _, item := range got.Items {
		require.Equal(t, "unmatched", item.Status)
		require.NotEmpty(t, item.Reason)
		require.Equal(t, "http://ui/"+workflowID(b.raceID, item.RecordID, item.Revision), item.TraceURL)
	}

	// The revision appears, as after a restore: it is no longer unmatched.
	b.correct(t, known, 5_100_000)
	require.Equal(t, []string{unknown.RecordID}, b.list(t, "status=unmatched").ids())
	b.ahead = 0
	purged, err := b.main.PurgeUnmatched(t.Context(), -time.Minute)
	require.NoError(t, err)
	require.Equal(t, 2, purged)
}
