package claims_test

import (
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/api/claims"
	"github.com/mrmrthon/mrmrthon/api/ops/repair"
	"github.com/mrmrthon/mrmrthon/api/races"
	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/api/server/servertest"
	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/mysql/mysqltest"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// testBundle is the calls about races and claims in the real frame, on two real
// databases.
type testBundle struct {
	router http.Handler
	store  *maindb.Store
	users  *userdb.Accounts
	pokes  atomic.Int32
	now    atomic.Int64                                      // nanoseconds that the limit of codes adds to its clock
	race   string                                            // ID
	inUser func(t *testing.T, statement string, args ...any) // executes it in user_db
	inMain func(t *testing.T, statement string, args ...any) // executes it in main_db
}

const organizer = "organizer/0190aaaa-0000-7000-8000-000000000001"

func setup(t *testing.T) *testBundle {
	t.Helper()
	mainDB, mainCfg := mysqltest.New(t, maindb.Migrations())
	userDB, userCfg := mysqltest.New(t, userdb.Migrations())
	b := &testBundle{
		store: maindb.New(mysqltest.As(t, mainCfg, maindb.Grants(), mysql.API), time.Now),
		users: userdb.NewAccounts(mysqltest.As(t, userCfg, userdb.Grants(), mysql.API), time.Now),
	}
	b.inUser = func(t *testing.T, statement string, args ...any) {
		t.Helper()
		_, err := userDB.ExecContext(t.Context(), statement, args...)
		require.NoError(t, err)
	}
	b.inMain = func(t *testing.T, statement string, args ...any) {
		t.Helper()
		_, err := mainDB.ExecContext(t.Context(), statement, args...)
		require.NoError(t, err)
	}
	router, api := server.New(servertest.Config(servertest.Tokens{}, b.store))
	races.Register(api, races.Config{
		Races: b.store, StartLists: b.store, Runners: b.users, Poke: func() {}, Wake: func(context.Context, string) {},
		LoginHash: func(login string) string { return claims.LoginHash(sha256.Sum256, login) },
		Actions:   repair.NewLog(b.store, slog.New(slog.DiscardHandler), prometheus.NewRegistry()),
	})
	claims.Register(api, claims.Config{
		Store: b.store, Runners: b.users, Hash: sha256.Sum256, Poke: func() { b.pokes.Add(1) },
		Codes: auth.NewCodeLimit(func() time.Time { return time.Now().Add(time.Duration(b.now.Load())) }),
	})
	b.router = router
	b.race = b.call(t, organizer, http.MethodPost, "/v1/races",
		`{"name":"Spring Run","date":"2026-04-19","distance_m":10000,"ranking":{"basis":"gun"}}`, http.StatusCreated).text(t, "race_id")
	return b
}

func newID() string { return uuid.Must(uuid.NewV7()).String() }

// runner makes a runner's account and returns the user ID and the token.
func (b *testBundle) runner(t *testing.T, login string) (userID, token string) {
	t.Helper()
	account, err := b.users.CreateAccount(t.Context(), userdb.Account{
		UserID: newID(), LoginID: login, PasswordHash: "hash", Type: auth.Runner, Name: "Name of " + login, Sex: race.Female,
		BirthDate: race.Date{Year: 1980, Month: time.May, Day: 1},
	})
	require.NoError(t, err)
	b.inUser(t, "UPDATE user SET email = login_id WHERE user_id = ?", account.UserID)
	return account.UserID, "runner/" + account.UserID
}

type answer map[string]json.RawMessage

func (a answer) text(t *testing.T, name string) (text string) {
	t.Helper()
	require.NoError(t, json.Unmarshal(a[name], &text), "%s of %v", name, a)
	return text
}

// says is what is wrong, of a problem.
func (a answer) says() string { return string(a["detail"]) + string(a["errors"]) }

func (a answer) items(t *testing.T) (items []map[string]any) {
	t.Helper()
	require.NoError(t, json.Unmarshal(a["items"], &items))
	return items
}

func (b *testBundle) call(t *testing.T, token, method, path, body string, status int) answer {
	t.Helper()
	request := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	request.Header.Set("Content-Type", "application/json")
	if strings.HasPrefix(body, "bib") {
		request.Header.Set("Content-Type", "text/csv")
	}
	request.Header.Set("Authorization", "Bearer "+token)
	recorder := httptest.NewRecorder()
	b.router.ServeHTTP(recorder, request)
	require.Equal(t, status, recorder.Code, "%s %s: %s", method, path, recorder.Body)
	var got answer
	require.NoError(t, json.Unmarshal(recorder.Body.Bytes(), &got), recorder.Body.String())
	return got
}

// delete is call for an answer without a body, or a problem.
func (b *testBundle) delete(t *testing.T, token, path string, status int) {
	t.Helper()
	request := httptest.NewRequestWithContext(t.Context(), http.MethodDelete, path, nil)
	request.Header.Set("Authorization", "Bearer "+token)
	recorder := httptest.NewRecorder()
	b.router.ServeHTTP(recorder, request)
	require.Equal(t, status, recorder.Code, recorder.Body)
}

func (b *testBundle) path() string { return "/v1/races/" + b.race }

func (b *testBundle) imports(t *testing.T, list string) {
	t.Helper()
	got := b.call(t, organizer, http.MethodPost, b.path()+"/participants/import", list, http.StatusOK)
	require.JSONEq(t, "[]", string(got["errors"]))
}

// posts adds a record and returns its ID.
func (b *testBundle) posts(t *testing.T, bib string) string {
	t.Helper()
	record, _, err := b.store.PostRecord(t.Context(), b.race, newID(), race.Result{Bib: bib, Gun: 2_400_000, Status: race.Finished}, maindb.Change{By: newID()})
	require.NoError(t, err)
	return record.ID
}

// owner returns whose record it is, and at which revision.
func (b *testBundle) owner(t *testing.T, recordID string) (userID string, revision int) {
	t.Helper()
	facts, err := b.store.Facts(t.Context(), recordID)
	require.NoError(t, err)
	require.NotNil(t, facts.Entrant)
	return facts.Entrant.UserID, facts.Record.Revision
}

// mine lists a runner's claims as "bib state".
func (b *testBundle) mine(t *testing.T, token string) (ids, states []string) {
	t.Helper()
	for _, item := range b.call(t, token, http.MethodGet, "/v1/me/claims", "", http.StatusOK).items(t) {
		id, _ := item["claim_id"].(string)
		bib, _ := item["bib"].(string)
		state, _ := item["state"].(string)
		ids, states = append(ids, id), append(states, bib+" "+state)
	}
	return ids, states
}

func (b *testBundle) answers(t *testing.T, token, claimID, answer, state string) {
	t.Helper()
	got := b.call(t, token, http.MethodPost, "/v1/me/claims/"+claimID+"/"+answer, "", http.StatusOK)
	require.Equal(t, state, got.text(t, "state"))
	require.Equal(t, claimID, got.text(t, "claim_id"))
}

func (b *testBundle) code(t *testing.T, bib string) string {
	t.Helper()
	for _, item := range b.call(t, organizer, http.MethodGet, b.path()+"/claim-codes", "", http.StatusOK).items(t) {
		if item["bib"] == bib {
			code, _ := item["code"].(string)
			return code
		}
	}
	t.Fatal("no code for bib " + bib)
	return ""
}

func (b *testBundle) claims(t *testing.T, token, body string, status int) answer {
	t.Helper()
	return b.call(t, token, http.MethodPost, "/v1/me/claims", `{"race_id":"`+b.race+`",`+body+`}`, status)
}

func TestAnInvitationWaitsForTheRunner(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.imports(t, "bib,name,sex,age,login_id\n1,Row Name,F,45,ann@example.org\n2,Other,M,30,\n")
	record, standIn := b.posts(t, "1"), userdb.StandInID(b.race, "1")
	ann, token := b.runner(t, "ann@example.org") // signs up long after the list
	_, stranger := b.runner(t, "ben@example.org")

	ids, states := b.mine(t, token)
	require.Equal(t, []string{"1 invited"}, states)
	_, none := b.mine(t, stranger)
	require.Empty(t, none)
	for _, answer := range []string{"accept", "decline", "withdraw"} {
		b.call(t, stranger, http.MethodPost, "/v1/me/claims/"+ids[0]+"/"+answer, "", http.StatusNotFound)
		b.call(t, token, http.MethodPost, "/v1/me/claims/"+newID()+"/"+answer, "", http.StatusNotFound)
	}
	list := func() string {
		return string(b.call(t, organizer, http.MethodGet, b.path()+"/claims", "", http.StatusOK)["items"])
	}
	waiting := list()
	require.NotContains(t, waiting, "ann")
	require.NotContains(t, waiting, ann)

	b.answers(t, token, ids[0], "decline", "declined")
	require.JSONEq(t, waiting, list(), "the organizer does not learn that the login exists")
	require.Zero(t, b.pokes.Load())
	changes, err := b.store.Changes(t.Context(), maindb.ChangeFilter{RaceID: b.race, Action: "claim."}, "", 10)
	require.NoError(t, err)
	require.Empty(t, changes, "nor by the change log")

	for range 2 { // the second time nothing happens
		b.answers(t, token, ids[0], "accept", "accepted")
		user, revision := b.owner(t, record)
		require.Equal(t, ann, user)
		require.Equal(t, 2, revision)
	}
	require.EqualValues(t, 1, b.pokes.Load())
	entries := string(b.call(t, organizer, http.MethodGet, b.path()+"/participants", "", http.StatusOK)["items"])
	require.Contains(t, entries, "Name of ann@example.org")
	require.Contains(t, entries, `"age":45`, "sex and age stay those of the organizer's row")
	require.Contains(t, list(), ann)

	for range 2 {
		b.answers(t, token, ids[0], "withdraw", "withdrawn")
		user, revision := b.owner(t, record)
		require.Equal(t, standIn, user)
		require.Equal(t, 3, revision)
	}
	entries = string(b.call(t, organizer, http.MethodGet, b.path()+"/participants", "", http.StatusOK)["items"])
	require.Contains(t, entries, "Row Name")
	require.NotContains(t, entries, "ann@example.org")

	b.answers(t, token, ids[0], "accept", "accepted")
	b.call(t, organizer, http.MethodPost, b.path()+"/claims/"+ids[0]+"/refuse", `{"reason":" "}`, http.StatusUnprocessableEntity)
	for range 2 {
		b.call(t, organizer, http.MethodPost, b.path()+"/claims/"+ids[0]+"/refuse", `{"reason":"another Ann"}`, http.StatusOK)
		user, _ := b.owner(t, record)
		require.Equal(t, standIn, user)
	}
	got := b.call(t, token, http.MethodGet, "/v1/me/claims", "", http.StatusOK).items(t)
	require.Equal(t, "another Ann", got[0]["reason"])
	b.call(t, token, http.MethodPost, "/v1/me/claims/"+ids[0]+"/accept", "", http.StatusConflict)
}

func TestADeclinedInvitationLooksLikeOneThatWaits(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.imports(t, "bib,name,login_id\n1,A,ann@example.org\n2,B,nobody@example.org\n3,C,ben@example.org\n4,D,nobody.else@example.org\n")
	for _, login := range []string{"ann@example.org", "ben@example.org"} {
		_, token := b.runner(t, login)
		ids, _ := b.mine(t, token)
		b.answers(t, token, ids[0], "decline", "declined")
	}
	// seen returns what the organizer sees of each invitation but its bib and IDs.
	seen := func(query string) map[string]string {
		looks := make(map[string]string)
		for _, item := range b.call(t, organizer, http.MethodGet, b.path()+"/claims"+query, "", http.StatusOK).items(t) {
			bib, _ := item["bib"].(string)
			for _, own := range []string{"claim_id", "bib", "created_at", "changed_at"} {
				delete(item, own)
			}
			text, err := json.Marshal(item)
			require.NoError(t, err)
			looks[bib] = string(text)
		}
		return looks
	}
	alike := func(looks map[string]string) {
		t.Helper()
		require.Len(t, looks, 4)
		require.Equal(t, looks["2"], looks["1"])
		require.Equal(t, looks["4"], looks["3"])
	}
	alike(seen(""))
	alike(seen("?state=invited"))

	for _, item := range b.call(t, organizer, http.MethodGet, b.path()+"/claims", "", http.StatusOK).items(t) {
		bib, _ := item["bib"].(string)
		id, _ := item["claim_id"].(string)
		if bib == "1" || bib == "2" {
			b.call(t, organizer, http.MethodPost, b.path()+"/claims/"+id+"/refuse", `{"reason":"a mistake"}`, http.StatusOK)
		}
	}
	b.imports(t, "bib,name,login_id\n3,C,new@example.org\n4,D,newer@example.org\n")
	looks := seen("?state=refused")
	alike(looks)
	require.NotContains(t, looks["1"], "user_id")
	require.NotContains(t, looks["3"], "user_id")
	changes, err := b.store.Changes(t.Context(), maindb.ChangeFilter{RaceID: b.race, Action: "claim."}, "", 10)
	require.NoError(t, err)
	require.Len(t, changes, 2)
	for _, change := range changes {
		require.JSONEq(t, `"invited"`, string(rawOf(t, change.Before)["state"]))
		require.Empty(t, change.AboutID)
	}
}

func rawOf(t *testing.T, state any) (fields map[string]json.RawMessage) {
	t.Helper()
	text, err := json.Marshal(state)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &fields))
	return fields
}

func TestClaimByCode(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.imports(t, "bib,name\n007,=Ada()\n8,Ben\n")
	record := b.posts(t, "7")
	ann, token := b.runner(t, "ann@example.org")
	code := b.code(t, "007")
	b.claims(t, token, `"bib":"7"`, http.StatusUnprocessableEntity)
	b.claims(t, token, `"bib":"7","code":"`+code+`","birth_date":"1980-05-01"`, http.StatusUnprocessableEntity)
	wrong := b.claims(t, token, `"bib":"8","code":"`+code+`"`, http.StatusUnprocessableEntity)
	nobody := b.claims(t, token, `"bib":"999","code":"`+code+`"`, http.StatusUnprocessableEntity)
	require.Equal(t, wrong, nobody, "a wrong code does not tell which bibs there are")
	first := b.claims(t, token, `"bib":"7","code":"`+strings.ToLower(strings.ReplaceAll(code, "-", " "))+`"`, http.StatusCreated)
	require.Equal(t, "accepted", first.text(t, "state"))
	require.Equal(t, first, b.claims(t, token, `"bib":"7","code":"`+code+`"`, http.StatusCreated), "the same claim again")
	user, revision := b.owner(t, record)
	require.Equal(t, ann, user)
	require.Equal(t, 2, revision)
	b.claims(t, token, `"bib":"8","code":"`+b.code(t, "8")+`"`, http.StatusConflict)

	for _, bearer := range []string{"organizer/" + newID(), token} {
		b.call(t, bearer, http.MethodGet, b.path()+"/claim-codes", "", http.StatusForbidden)
	}
	request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, b.path()+"/claim-codes.csv", http.NoBody)
	request.Header.Set("Authorization", "Bearer "+organizer)
	recorder := httptest.NewRecorder()
	b.router.ServeHTTP(recorder, request)
	rows, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(recorder.Body.String(), "\ufeff"))).ReadAll()
	require.NoError(t, err)
	require.Equal(t, [][]string{{"bib", "name", "code"}, {"007", "Name of ann@example.org", code}, {"8", "Ben", b.code(t, "8")}}, rows)
}

func TestGuessingCodesIsThrottled(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.imports(t, "bib,name\n7,Ada\n")
	_, ann := b.runner(t, "ann@example.org")
	for range 5 {
		b.claims(t, ann, `"bib":"7","code":"AAAA-BBBB-CCCC"`, http.StatusUnprocessableEntity)
	}
	right := `"bib":"7","code":"` + b.code(t, "7") + `"`
	b.claims(t, ann, right, http.StatusTooManyRequests)
	for range 5 { // other accounts that share the guessing
		_, token := b.runner(t, newID())
		b.claims(t, token, `"bib":"7","code":"AAAA-BBBB-CCCC"`, http.StatusUnprocessableEntity)
	}
	_, token := b.runner(t, "ben@example.org")
	b.claims(t, token, right, http.StatusTooManyRequests)
	b.now.Add(int64(time.Minute))
	require.Equal(t, "accepted", b.claims(t, ann, right, http.StatusCreated).text(t, "state"))
}

func TestClaimByBirthDateAsksTheOrganizer(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.imports(t, "bib,name,birth_date\n1,Ada,1980-05-01\n2,Ben,1970-01-01\n3,Cem,\n")
	record := b.posts(t, "1")
	ann, token := b.runner(t, "ann@example.org")
	ben, other := b.runner(t, "ben@example.org")
	right := b.claims(t, token, `"bib":"1","birth_date":"1980-05-01"`, http.StatusCreated)
	wrong := b.claims(t, other, `"bib":"1","birth_date":"1980-05-02"`, http.StatusCreated)
	require.Equal(t, "requested", right.text(t, "state"))
	require.Equal(t, "requested", wrong.text(t, "state"), "the runner does not learn whether the birth date is right")
	b.claims(t, token, `"bib":"2","birth_date":"1980-05-01"`, http.StatusConflict)

	// What the organizer changes afterwards tells nothing more about the birth date.
	b.imports(t, "bib,birth_date\n1,1980-05-02\n")
	items := b.call(t, organizer, http.MethodGet, b.path()+"/claims?state=requested", "", http.StatusOK).items(t)
	require.Len(t, items, 2)
	require.Equal(t, ben, items[0]["user_id"])
	require.Equal(t, false, items[0]["birth_date_matches"])
	require.Equal(t, ann, items[1]["user_id"])
	require.Equal(t, true, items[1]["birth_date_matches"])
	require.Equal(t, "Name of ann@example.org", items[1]["name"])

	decide := b.path() + "/claims/"
	b.call(t, organizer, http.MethodPost, decide+newID()+"/approve", "", http.StatusNotFound)
	b.call(t, "organizer/"+newID(), http.MethodPost, decide+right.text(t, "claim_id")+"/approve", "", http.StatusForbidden)
	before, _ := b.owner(t, record)
	planned := b.call(t, organizer, http.MethodPost, decide+right.text(t, "claim_id")+"/approve?plan=true", "", http.StatusOK)
	require.Equal(t, "accepted", planned.text(t, "state"))
	require.Contains(t, string(planned["consequences"]), `"credits":1`)
	after, _ := b.owner(t, record)
	require.Equal(t, before, after, "a plan changes nothing")
	for range 2 {
		got := b.call(t, organizer, http.MethodPost, decide+right.text(t, "claim_id")+"/approve", "", http.StatusOK)
		require.Equal(t, "accepted", got.text(t, "state"))
	}
	user, _ := b.owner(t, record)
	require.Equal(t, ann, user)

	// The result is taken now: the organizer may still give it to the other, and both
	// are told.
	require.Equal(t, []any{true, false}, b.yours(t, token))
	b.call(t, organizer, http.MethodPost, decide+wrong.text(t, "claim_id")+"/approve", "", http.StatusOK)
	user, _ = b.owner(t, record)
	require.Equal(t, ben, user)
	_, states := b.mine(t, token)
	require.Contains(t, states, "1 refused")
	b.answers(t, other, wrong.text(t, "claim_id"), "withdraw", "withdrawn")
	user, _ = b.owner(t, record)
	require.Equal(t, userdb.StandInID(b.race, "1"), user)
}

// yours returns which of the listed claims are the runner's own, the oldest first.
func (b *testBundle) yours(t *testing.T, token string) (yours []any) {
	t.Helper()
	items := b.call(t, token, http.MethodGet, "/v1/me/claims", "", http.StatusOK).items(t)
	for i := range items {
		yours = append(yours, items[len(items)-1-i]["yours"])
	}
	return yours
}

func TestAClaimOnATakenResultGoesToTheOrganizer(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.imports(t, "bib,name,login_id\n1,Ada,ann@example.org\n2,Ben,\n")
	record := b.posts(t, "1")
	ann, token := b.runner(t, "ann@example.org")
	thief, other := b.runner(t, "ben@example.org")
	code := b.code(t, "1")
	taken := b.claims(t, other, `"bib":"1","code":"`+code+`"`, http.StatusCreated)
	require.Equal(t, "accepted", taken.text(t, "state"))
	user, _ := b.owner(t, record)
	require.Equal(t, thief, user)

	ids, states := b.mine(t, token)
	require.Equal(t, []string{"1 invited"}, states)
	b.answers(t, token, ids[0], "accept", "requested")
	b.answers(t, token, ids[0], "accept", "requested")
	user, _ = b.owner(t, record)
	require.Equal(t, thief, user, "nothing moves before the organizer has decided")
	require.Equal(t, []any{false, true}, b.yours(t, other), "the holder sees that somebody else claims it")
	list := b.call(t, other, http.MethodGet, "/v1/me/claims", "", http.StatusOK)
	require.NotContains(t, string(list["items"]), ann, "but not who")

	cem, third := b.runner(t, "cem@example.org")
	refused := b.claims(t, third, `"bib":"1","birth_date":"1980-05-01"`, http.StatusCreated).text(t, "claim_id")
	b.call(t, organizer, http.MethodPost, b.path()+"/claims/"+refused+"/refuse", `{"reason":"you did not run, `+cem+`"}`, http.StatusOK)
	mine := b.call(t, third, http.MethodGet, "/v1/me/claims", "", http.StatusOK)
	require.Contains(t, string(mine["items"]), "you did not run")
	list = b.call(t, other, http.MethodGet, "/v1/me/claims", "", http.StatusOK)
	require.NotContains(t, string(list["items"]), "you did not run", "nor what the organizer writes to them")
	b.call(t, organizer, http.MethodPost, b.path()+"/claims/"+ids[0]+"/approve", "", http.StatusOK)
	user, _ = b.owner(t, record)
	require.Equal(t, ann, user)
}

func TestAClaimReplacesAnEntryWithoutABib(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ann, token := b.runner(t, "ann@example.org")
	entered := b.call(t, token, http.MethodPost, b.path()+"/participants", "{}", http.StatusCreated)
	b.imports(t, "bib,name,age\n1,Ada,30\n2,Ben,30\n") // without her login
	record := b.posts(t, "1")
	claim := b.claims(t, token, `"bib":"1","code":"`+b.code(t, "1")+`"`, http.StatusCreated).text(t, "claim_id")
	user, _ := b.owner(t, record)
	require.Equal(t, ann, user)
	require.Equal(t, "1", b.call(t, token, http.MethodGet, b.path()+"/participants/me", "", http.StatusOK).text(t, "bib"))
	b.answers(t, token, claim, "withdraw", "withdrawn")
	mine := b.call(t, token, http.MethodGet, b.path()+"/participants/me", "", http.StatusOK)
	require.Equal(t, entered, mine, "her own entry is there again")

	_, _, err := b.store.VoidRace(t.Context(), b.race, maindb.Change{By: newID(), Reason: "a mistake"})
	require.NoError(t, err)
	b.claims(t, token, `"bib":"1","code":"`+b.code(t, "1")+`"`, http.StatusConflict)
}

func TestAnEntrantsBibIsNotGivenAway(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ann, token := b.runner(t, "ann@example.org")
	_, other := b.runner(t, "ben@example.org")
	b.call(t, token, http.MethodPost, b.path()+"/participants", "{}", http.StatusCreated)
	b.imports(t, "bib,login_id\n1,ann@example.org\n")
	record := b.posts(t, "1")
	claim := b.claims(t, other, `"bib":"1","code":"`+b.code(t, "1")+`"`, http.StatusCreated)
	require.Equal(t, "requested", claim.text(t, "state"))
	b.call(t, organizer, http.MethodPost, b.path()+"/claims/"+claim.text(t, "claim_id")+"/approve", "", http.StatusConflict)
	user, _ := b.owner(t, record)
	require.Equal(t, ann, user)
	b.claims(t, token, `"bib":"1","code":"`+b.code(t, "1")+`"`, http.StatusConflict)
}

func TestAnInvitationIsNotForWhoeverSignsUpWithTheAddress(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.imports(t, "bib,name,login_id\n1,Ada,ann@example.org\n2,Ben,ben\n")
	ann, token := b.runner(t, "ann@example.org")
	ids, _ := b.mine(t, token)
	require.Len(t, ids, 1)
	b.inUser(t, "UPDATE user SET email = NULL, email_pending = login_id WHERE user_id = ?", ann)
	none, _ := b.mine(t, token)
	require.Empty(t, none)
	for _, answer := range []string{"accept", "decline", "withdraw"} {
		b.call(t, token, http.MethodPost, "/v1/me/claims/"+ids[0]+"/"+answer, "", http.StatusNotFound)
	}
	ben, other := b.runner(t, "ben") // a name of the organizer's own choice
	b.inUser(t, "UPDATE user SET email = NULL WHERE user_id = ?", ben)
	_, states := b.mine(t, other)
	require.Equal(t, []string{"2 invited"}, states)

	require.NoError(t, b.store.DropInvitations(t.Context(), claims.LoginHash(sha256.Sum256, "ben")))
	_, states = b.mine(t, other)
	require.Empty(t, states, "no account finds the invitation of somebody who has left")
}

func TestInvitationsOfSomebodyWhoLeavesLookLikeThoseToNobody(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const list = "bib,name,login_id\n1,A,ann@example.org\n2,B,ben@example.org\n3,C,nobody@example.org\n"
	b.imports(t, list)
	seen := func() string {
		return string(b.call(t, organizer, http.MethodGet, b.path()+"/claims", "", http.StatusOK)["items"])
	}
	before := seen()
	for _, login := range []string{"ann@example.org", "ben@example.org"} {
		userID, token := b.runner(t, login)
		if login == "ben@example.org" {
			ids, _ := b.mine(t, token)
			b.answers(t, token, ids[0], "decline", "declined")
		}
		require.NoError(t, b.store.DropInvitations(t.Context(), claims.LoginHash(sha256.Sum256, login)))
		_, err := b.store.Leave(t.Context(), userID)
		require.NoError(t, err)
		ids, _ := b.mine(t, token)
		require.Empty(t, ids)
	}
	require.JSONEq(t, before, seen())
	b.imports(t, list)
	require.JSONEq(t, before, seen(), "nobody is invited again")
	b.imports(t, "bib,name,login_id\n1,A,new@example.org\n3,C,newer@example.org\n")
	require.Len(t, b.call(t, organizer, http.MethodGet, b.path()+"/claims?state=refused", "", http.StatusOK).items(t), 2)
}

// A start list that swaps bibs takes the claimant along, and the claim of the old bib
// does not say "accepted" any more.
func TestAfterABibSwapTheOldBibIsNotTheClaimants(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.imports(t, "bib,name,login_id\n1,Ada,\n3,Ben,ben@example.org\n")
	ann, token := b.runner(t, "ann@example.org")
	ben, bensToken := b.runner(t, "ben@example.org")
	codeOf1 := `"bib":"1","code":"` + b.code(t, "1") + `"`
	b.claims(t, token, codeOf1, http.StatusCreated)
	b.claims(t, token, codeOf1, http.StatusCreated) // again
	ids, _ := b.mine(t, bensToken)
	b.answers(t, bensToken, ids[0], "accept", "accepted")

	b.imports(t, "bib,name,login_id\n2,Ann,ann@example.org\n1,Ada,\n4,Ben,ben@example.org\n3,Eve,\n")
	for userID, bib := range map[string]string{ann: "2", ben: "4"} {
		p, err := b.store.Participant(t.Context(), b.race, userID)
		require.NoError(t, err)
		require.Equal(t, bib, p.Bib)
	}
	require.Contains(t, b.claims(t, token, codeOf1, http.StatusConflict).says(), "you have bib 2")
	codeOf2 := `"bib":"2","code":"` + b.code(t, "2") + `"`
	require.Contains(t, b.claims(t, token, codeOf2, http.StatusConflict).says(), "is yours already")
	require.Contains(t, b.call(t, bensToken, http.MethodPost, "/v1/me/claims/"+ids[0]+"/accept", "", http.StatusConflict).says(), "you have bib 4")

	// Bib 1 is its new runner's, by the code that was printed for it.
	eve, evesToken := b.runner(t, "eve@example.org")
	b.claims(t, evesToken, codeOf1, http.StatusCreated)
	p, err := b.store.Participant(t.Context(), b.race, eve)
	require.NoError(t, err)
	require.Equal(t, "1", p.Bib)
	b.claims(t, evesToken, codeOf2, http.StatusConflict)
}

// Before results were claimed, a start list that named a login gave the result to its
// account. The runner agrees by claiming it or accepting the invitation, or gives it up at
// any time; whoever has the code of the bib gets it.
func TestAResultThatAStartListAttachedNeedsConsent(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.imports(t, "bib,name,login_id\n1,A,\n2,B,ben@example.org\n3,C,\n4,D,\n")
	var runners, tokens, records [5]string
	for i, login := range []string{1: "ann", 2: "ben", 3: "cy", 4: "dee"} {
		if login == "" {
			continue
		}
		bib := strconv.Itoa(i)
		runners[i], tokens[i] = b.runner(t, login+"@example.org")
		records[i] = b.posts(t, bib)
		b.inMain(t, "UPDATE participant SET user_id = ? WHERE race_id = ? AND bib = ?", runners[i], b.race, bib)
	}
	owners := func() (owners [5]string) {
		for i := 1; i < 5; i++ {
			owners[i], _ = b.owner(t, records[i])
		}
		return owners
	}
	require.Equal(t, runners, owners())
	codeOf := func(bib string) string { return `"bib":"` + bib + `","code":"` + b.code(t, bib) + `"` }

	require.Equal(t, "accepted", b.claims(t, tokens[1], codeOf("1"), http.StatusCreated).text(t, "state"))
	ids, _ := b.mine(t, tokens[2])
	b.answers(t, tokens[2], ids[0], "accept", "accepted")
	require.Equal(t, runners, owners(), "who agrees keeps it")
	eve, evesToken := b.runner(t, "eve@example.org")
	require.Equal(t, "requested", b.claims(t, evesToken, codeOf("1"), http.StatusCreated).text(t, "state"), "and nobody takes it from them")
	b.answers(t, tokens[2], ids[0], "withdraw", "withdrawn")

	path := b.path() + "/participants/me"
	b.delete(t, tokens[3], path, http.StatusNoContent)
	b.delete(t, tokens[3], path, http.StatusNotFound)
	b.delete(t, tokens[1], path, http.StatusConflict)
	bob, bobsToken := b.runner(t, "bob@example.org")
	require.Equal(t, "accepted", b.claims(t, bobsToken, codeOf("4"), http.StatusCreated).text(t, "state"))
	require.Equal(t, [5]string{"", runners[1], userdb.StandInID(b.race, "2"), userdb.StandInID(b.race, "3"), bob}, owners())
	require.NotContains(t, owners(), eve)
}

func TestACancelledEntryIsNotGivenBack(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.imports(t, "bib,name\n1,Ada\n")
	ann, token := b.runner(t, "ann@example.org")
	claim := b.claims(t, token, `"bib":"1","code":"`+b.code(t, "1")+`"`, http.StatusCreated).text(t, "claim_id")
	require.NoError(t, b.store.CancelEntry(t.Context(), b.race, ann))
	b.answers(t, token, claim, "withdraw", "withdrawn")
	p, err := b.store.Participant(t.Context(), b.race, ann)
	require.NoError(t, err)
	require.Equal(t, race.Cancelled, p.Status)
	b.imports(t, "bib,name\n1,Ada\n") // the list may enter its runner again
}
