package ops_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/temporal"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// listed is a list of the API with what is on it.
type listed struct {
	query string   // the address and its filters
	key   []string // the fields that tell its items apart
	want  []string // in its order
}

// listRows is how many rows each list of TestEveryListInPages has.
const listRows = 8

// TestEveryListInPages walks every list that operators have in pages of one, of a few and as a
// whole: each row is there once, in the same order. Rows share the times and names by which
// lists are ordered.
func TestEveryListInPages(t *testing.T) {
	t.Parallel()
	b := setup(t)
	lists := slices.Concat(b.mailLists(t), b.sendingLists(t), b.creditLists(t), []listed{b.actionList(t), b.suggestionList(t)})

	document := decode[struct {
		Paths map[string]map[string]struct {
			Parameters []struct{ Name string }
		}
	}](t, b.call(t, http.MethodGet, "/openapi.json", nil), http.StatusOK)
	for path, calls := range document.Paths {
		if slices.ContainsFunc(calls["get"].Parameters, func(p struct{ Name string }) bool { return p.Name == "cursor" }) {
			require.True(t, slices.ContainsFunc(lists, func(l listed) bool { return strings.HasPrefix(l.query, path+"?") }), "%s is not walked", path)
		}
	}
	for _, l := range lists {
		for _, limit := range []int{1, 5, listRows, 1000} {
			require.Equal(t, l.want, b.walk(t, l, limit), "%s in pages of %d", l.query, limit)
		}
	}
}

// walk returns what tells the items of a list apart, page by page.
func (b *bundle) walk(t *testing.T, l listed, limit int) (keys []string) {
	t.Helper()
	for cursor := ""; ; {
		page := decode[struct {
			Items      []object `json:"items"`
			NextCursor string   `json:"next_cursor"`
		}](t, b.call(t, http.MethodGet, fmt.Sprintf("%s&limit=%d&cursor=%s", l.query, limit, cursor), nil), http.StatusOK)
		require.LessOrEqual(t, len(page.Items), limit)
		for _, item := range page.Items {
			var parts []string
			for _, field := range l.key {
				parts = append(parts, fmt.Sprint(item[field]))
			}
			keys = append(keys, strings.Join(parts, " "))
		}
		if cursor = page.NextCursor; cursor == "" {
			return keys
		}
		require.LessOrEqual(t, len(keys), len(l.want), "the list does not end")
	}
}

// newIDs returns the IDs of the rows of a list, in their order.
func newIDs() (ids []string) {
	for range listRows {
		ids = append(ids, newID())
	}
	slices.Sort(ids)
	return ids
}

func reversed(ids []string) []string {
	ids = slices.Clone(ids)
	slices.Reverse(ids)
	return ids
}

func (b *bundle) mailLists(t *testing.T) (lists []listed) {
	t.Helper()
	for list, is := range map[string][2]string{
		"waiting": {"queued", ""}, "failed": {"failed", "expired"}, "bounced": {"bounced", "returned"}, "complained": {"complained", ""}, "suppressed": {"failed", "opted-out"},
	} {
		ids := newIDs()
		for _, id := range ids {
			b.inUser(t, fmt.Sprintf(`INSERT INTO mail (mail_id, event_key, user_id, kind, language, address, detail, state, reason, attempts, provider_id, created_at, expires_at, updated_at)
				VALUES ('%s', '%[1]s', '%s', 'race-official', 'en', '', '', '%s', '%s', 0, '', '2026-11-01', '2026-12-01', '2026-11-01')`, id, runnerID, is[0], is[1]))
		}
		lists = append(lists, listed{"/v1/ops/mails?state=" + list, []string{"mail_id"}, reversed(ids)})
	}
	ids := newIDs()
	for _, id := range ids {
		b.inUser(t, `INSERT INTO user (user_id, user_type, name, phone, sex, total_point, created_at, updated_at, email_problem) VALUES ('`+id+`', 'runner', '', '', '', 0, NOW(6), NOW(6), 'bounced')`)
	}
	return append(lists, listed{"/v1/ops/mail-addresses?problem=bounced", []string{"user_id"}, reversed(ids)}, listed{"/v1/ops/mail-addresses?", []string{"user_id"}, reversed(ids)})
}

// sendingLists are those of what is on its way to webhooks, readers and people in line.
func (b *bundle) sendingLists(t *testing.T) (lists []listed) {
	t.Helper()
	hook := newID()
	b.inMain(t, `INSERT INTO webhook (webhook_id, race_id, url, events, created_by, created_at) VALUES ('`+hook+`', '`+b.raceID+`', 'https://example.org', 'race.changed', '`+operatorID+`', '2026-11-01')`)
	for i, state := range []string{maindb.DeliveryFailed, maindb.DeliveryWaiting} {
		ids := newIDs()
		for position, id := range ids {
			b.inMain(t, fmt.Sprintf(`INSERT INTO webhook_delivery (delivery_id, webhook_id, position, type, happened_at, data, state, attempts, due_at, created_at)
				VALUES ('%s', '%s', %d, 'race.changed', '2026-11-01', '{}', '%s', 1, '2026-11-01', '2026-11-01')`, id, hook, 1000*i+position, state))
		}
		lists = append(lists, listed{"/v1/ops/deliveries?state=" + state, []string{"delivery_id"}, reversed(ids)})
	}
	var notices, offers []string
	for i := range listRows {
		kind := []string{"moved-up", "place-moved"}[i%2] // two kinds may begin with the same change
		b.inMain(t, fmt.Sprintf("INSERT INTO notice_event (position, kind, race_id, subjects, happened_at) VALUES (%d, '%s', '%s', '{}', '2026-11-01')", 1+i/2, kind, b.raceID))
		notices = append(notices, fmt.Sprint(1+i/2, " ", kind))
	}
	for pool := range 2 {
		b.inMain(t, fmt.Sprintf("INSERT INTO entry_pool (race_id, pool, capacity, offered) VALUES ('%s', %d, 100, %d)", b.raceID, 1+pool, listRows))
	}
	for i := range listRows {
		pool := 1 + i/4
		b.inMain(t, fmt.Sprintf(`INSERT INTO entry (race_id, pool, seq, entry_id, user_id, state, standing, offer_no, offer_expires_at, sex, team, received_at, created_at, changed_at)
			VALUES ('%s', %d, %d, '%s', '%s', 'offered', FALSE, 1, '2027-01-01', '', '', NOW(6), NOW(6), NOW(6))`, b.raceID, pool, 1+i, newID(), newID()))
		offers = append(offers, fmt.Sprint(pool, " ", 1+i))
	}
	return append(lists, listed{"/v1/ops/notices?", []string{"position", "kind"}, notices}, listed{"/v1/ops/offers?", []string{"pool", "number"}, offers})
}

// creditLists are those of every state, in several races.
func (b *bundle) creditLists(t *testing.T) []listed {
	t.Helper()
	races := []string{b.raceID, b.addRace(t), b.addRace(t)}
	slices.Sort(races)
	var rejected, failed, pending, bibs, unmatched []string
	key := func(raceID, recordID string) string { return raceID + " " + recordID }
	for i := range listRows {
		of := races[i%len(races)]
		r := b.post(t, of, fmt.Sprint(1+i))
		b.settle(t, r, race.Rejected)
		rejected = append(rejected, key(of, r.ID))
		r = b.post(t, of, fmt.Sprint(101+i))
		pending = append(pending, key(of, r.ID))
		r = b.post(t, of, fmt.Sprint(201+i))
		b.runs(r, "Terminated")
		b.temporal.failed = append(b.temporal.failed, temporal.Run{WorkflowID: workflowID(of, r.ID, 1)})
		pending, failed = append(pending, key(of, r.ID)), append(failed, key(of, r.ID))
		u := maindb.Unmatched{RaceID: of, RecordID: newID(), Revision: 1, Reason: "there is no such record"}
		require.NoError(t, b.outcomes.AddUnmatched(t.Context(), u))
		unmatched = append(unmatched, key(of, u.RecordID))
	}
	for range listRows {
		of := b.addRace(t)
		r := b.post(t, of, "999")
		b.settle(t, r, race.Credited)
		bibs = append(bibs, key(of, r.ID))
	}
	var lists []listed
	for query, want := range map[string][]string{
		"status=rejected": rejected, "status=pending": pending, "status=failed": failed, "status=stuck&older_than_s=0": pending, "status=unmatched": unmatched, "bib=999": bibs,
	} {
		slices.Sort(want)
		lists = append(lists, listed{"/v1/ops/credits?" + query, []string{"race_id", "record_id"}, want})
	}
	return lists
}

// actionList is the log, of organizers who were verified.
func (b *bundle) actionList(t *testing.T) listed {
	t.Helper()
	var users []string
	for i := range listRows {
		a, err := b.accounts.CreateAccount(t.Context(), userdb.Account{UserID: newID(), LoginID: fmt.Sprint("office", i), PasswordHash: "h", Type: auth.Organizer})
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, b.call(t, http.MethodPost, "/v1/ops/organizers/"+a.UserID+"/verify", object{"reason": "known"}).Code)
		users = append(users, a.UserID)
	}
	return listed{"/v1/ops/actions?action=verify-organizer", []string{"target"}, reversed(users)}
}

// suggestionList is that of people who may be the same in two races; several have one name.
func (b *bundle) suggestionList(t *testing.T) (l listed) {
	t.Helper()
	l = listed{query: "/v1/ops/people/suggestions?season=2026", key: []string{"name", "sex"}}
	for range 2 {
		of := b.addRace(t)
		l.want = nil
		var rows []maindb.StartListRow
		for i := range listRows {
			name, sex := string(rune('a'+i/2))+" runner", []race.Sex{race.Female, race.Male}[i%2]
			account := uuid.NewString()
			require.NoError(t, b.accounts.EnsureRunners(t.Context(), []userdb.Runner{{UserID: account, Name: name, Sex: sex}}))
			rows = append(rows, maindb.StartListRow{Bib: fmt.Sprint(1 + i), Sex: sex, Age: 40, Field: race.Runner, StandIn: maindb.RunnerAccount{UserID: account, Sex: sex}})
			l.want = append(l.want, name+" "+string(sex))
		}
		planned, err := b.main.PlanStartList(t.Context(), of, rows)
		require.NoError(t, err)
		_, err = b.main.ImportStartList(t.Context(), of, rows, planned)
		require.NoError(t, err)
	}
	return l
}
