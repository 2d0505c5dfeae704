package records_test

import (
	"fmt"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

func TestWhoMayReadRecords(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r, removed := b.post(t, object{"bib": "1"}), b.post(t, object{"bib": "2"})
	one, gone := b.pathOf(r), b.pathOf(removed)
	b.remove(t, removed, "", nil)

	for _, path := range []string{b.path, one} {
		require.Equal(t, http.StatusUnauthorized, b.call(t, "", http.MethodGet, path, nil).Code)
		require.Equal(t, http.StatusForbidden, b.call(t, "runner", http.MethodGet, path, nil).Code)
		require.Equal(t, http.StatusForbidden, b.call(t, "rival", http.MethodGet, path, nil).Code)
		require.Equal(t, http.StatusOK, b.call(t, "organizer", http.MethodGet, path, nil).Code)
	}
	b.inMain(t, "UPDATE race SET status = 'official'")
	for _, token := range []string{"", "runner", "rival"} {
		require.Equal(t, http.StatusOK, b.call(t, token, http.MethodGet, one, nil).Code)
		require.Equal(t, http.StatusNotFound, b.call(t, token, http.MethodGet, gone, nil).Code)
		listed := decode[page](t, b.call(t, token, http.MethodGet, b.path+"?removed=true", nil), http.StatusOK)
		require.Len(t, listed.Items, 1)
	}
	public := decode[shown](t, b.call(t, "", http.MethodGet, one, nil), http.StatusOK)
	require.Empty(t, public.Revisions[0].ChangedBy)
	require.Len(t, b.list(t, "?removed=true").Items, 2)

	for _, path := range []string{
		"/v1/races/" + uuid.NewString() + "/official-records", "/v1/races/no-id/official-records",
		b.path + "/" + uuid.NewString(), b.path + "/no-id",
	} {
		require.Equal(t, http.StatusNotFound, b.call(t, "organizer", http.MethodGet, path, nil).Code, path)
	}
}

func TestGetShowsTheCreditOfTheLatestRevision(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := b.post(t, object{"bib": "1", "gun_time": "1:10:00"})
	points := int64(700)
	b.settle(t, r, 1, race.Credited)
	require.Equal(t, shownCredit{Status: "credited", Points: &points, Parts: object{"rule": "agegrade-2025"}, TraceURL: b.trace(r, 1)}, b.get(t, r).Credit)

	r = b.patch(t, r, object{"gun_time": "1:09:00", "reason": "video"})
	require.Equal(t, shownCredit{Status: "pending", TraceURL: b.trace(r, 2)}, b.get(t, r).Credit, "the ledger has an older revision")
	b.settle(t, r, 2, race.Rejected)
	got := b.get(t, r)
	require.Equal(t, shownCredit{Status: "rejected", Reason: "no participant with bib 1", TraceURL: b.trace(r, 2)}, got.Credit)
	require.Len(t, got.Revisions, 2)
	require.Equal(t, "1:10:00", got.Revisions[0].GunTime)
	require.Equal(t, b.trace(r, 1), got.Revisions[0].TraceURL)
	require.Equal(t, "video", got.Revisions[1].Reason)
}

// bibs walks through all pages of a list and returns the bibs on it.
func (b *bundle) bibs(t *testing.T, query string) (bibs []string) {
	t.Helper()
	for cursor := ""; ; {
		listed := b.list(t, "?limit=2"+query+"&cursor="+cursor)
		require.LessOrEqual(t, len(listed.Items), 2)
		for _, item := range listed.Items {
			bibs = append(bibs, item.Bib)
		}
		if cursor = listed.NextCursor; cursor == "" {
			return bibs
		}
		require.Len(t, listed.Items, 2)
	}
}

func TestList(t *testing.T) {
	t.Parallel()
	b := setup(t)
	all := make([]shown, 8)
	for i := range all {
		all[i] = b.post(t, object{"bib": fmt.Sprint(i), "gun_time": "1:10:00"})
	}
	b.settle(t, all[0], 1, race.Credited)
	b.settle(t, all[1], 1, race.Rejected)
	b.settle(t, all[2], 1, race.Rejected)
	b.patch(t, all[2], object{"gun_time": "1:11:00", "reason": "video"}) // pending again
	b.settle(t, all[3], 1, race.Rejected)
	b.settle(t, all[4], 1, race.Rejected)
	b.patch(t, all[5], object{"status": "DNF", "gun_time": nil, "reason": "video"})
	b.patch(t, all[6], object{"status": "DNF", "gun_time": nil, "reason": "video"})
	b.patch(t, all[7], object{"bib": "1", "reason": "mixed up"})

	require.Equal(t, []string{"0", "1", "2", "3", "4", "5", "6", "1"}, b.bibs(t, ""))
	require.Equal(t, []string{"5", "6"}, b.bibs(t, "&status=DNF"))
	require.Equal(t, []string{"1", "1"}, b.bibs(t, "&bib=001"))
	require.Equal(t, []string{"0"}, b.bibs(t, "&credit_status=credited"))
	require.Equal(t, []string{"1", "3", "4"}, b.bibs(t, "&credit_status=rejected"))
	require.Equal(t, []string{"2", "5", "6", "1"}, b.bibs(t, "&credit_status=pending"))
	require.Equal(t, []string{"1"}, b.bibs(t, "&credit_status=rejected&bib=1"))
	require.Equal(t, []string{"2"}, b.bibs(t, "&credit_status=pending&status=OK&bib=2"))
	require.Equal(t, "rejected", b.list(t, "?bib=1").Items[0].Credit.Status)

	for query, field := range map[string]string{
		"?status=LATE": "query.status", "?credit_status=lost": "query.credit_status", "?limit=1001": "query.limit",
		"?cursor=x": "query.cursor", "?cursor=WyLihJYiXQ": "query.cursor", "?bib=%E2%84%96": "query.bib",
	} {
		answer := b.call(t, "organizer", http.MethodGet, b.path+query, nil)
		require.Equal(t, []string{field}, decode[problem](t, answer, http.StatusUnprocessableEntity).locations(), query)
	}
}

func TestProgress(t *testing.T) {
	t.Parallel()
	b := setup(t)
	counts := func(pending, credited, rejected, superseded int) {
		t.Helper()
		got := decode[map[string]int](t, b.call(t, "organizer", http.MethodGet, "/v1/races/"+b.raceID+"/credits", nil), http.StatusOK)
		require.Equal(t, map[string]int{
			"pending": pending, "credited": credited, "rejected": rejected, "superseded": superseded,
			"total": pending + credited + rejected + superseded,
		}, got)
	}
	counts(0, 0, 0, 0)
	all := make([]shown, 4)
	for i := range all {
		all[i] = b.post(t, object{"bib": fmt.Sprint(i), "gun_time": "1:10:00"})
	}
	counts(4, 0, 0, 0)
	b.ahead = func(raceID string, pending int) (records, seconds int) {
		require.Equal(t, b.raceID, raceID)
		return 100 * pending, 3
	}
	estimate := decode[map[string]int](t, b.call(t, "organizer", http.MethodGet, "/v1/races/"+b.raceID+"/credits", nil), http.StatusOK)
	require.Equal(t, 400, estimate["ahead"])
	require.Equal(t, 3, estimate["estimated_seconds"])
	b.ahead = nil // nothing is known
	b.settle(t, all[0], 1, race.Credited)
	b.settle(t, all[1], 1, race.Rejected)
	counts(2, 1, 1, 0)
	b.patch(t, all[0], object{"gun_time": "1:11:00", "reason": "video"})
	b.patch(t, all[1], object{"bib": "11", "reason": "misread"})
	b.patch(t, all[2], object{"gun_time": "1:11:00", "reason": "video"})
	counts(4, 0, 0, 3) // credits of older revisions are pending
	b.settle(t, all[1], 2, race.Credited)
	counts(3, 1, 0, 3)
	b.remove(t, all[3], "", nil)
	for _, r := range all {
		b.settle(t, r, 2, race.Credited)
	}
	counts(0, 4, 0, 4) // a removal is credited with nothing
}

func TestRecordsWhileTheLedgerIsDown(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first := b.post(t, object{"bib": "1", "gun_time": "1:10:00"})
	nobody, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, nobody.Close())
	db, err := mysql.Open(mysql.Config{Addr: nobody.Addr().String(), Name: "user_db", User: "u", Password: "p", MaxConns: 1})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	b.mount(userdb.New(db, time.Now))

	require.Equal(t, "pending", b.post(t, object{"bib": "2"}).Credit.Status, "records are accepted")
	credit := b.get(t, first).Credit
	require.Equal(t, "unknown", credit.Status)
	require.NotEmpty(t, credit.Reason)
	require.Equal(t, b.trace(first, 1), credit.TraceURL)
	require.Len(t, b.list(t, "").Items, 2)
	for _, path := range []string{"/v1/races/" + b.raceID + "/credits", b.path + "?credit_status=pending"} {
		answer := b.call(t, "organizer", http.MethodGet, path, nil)
		require.Equal(t, http.StatusServiceUnavailable, answer.Code)
		require.NotEmpty(t, answer.Header().Get("Retry-After"))
	}
}
