package races_test

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// imports sends a CSV start list; path is that of the race's participants.
func (b *testBundle) imports(tb testing.TB, path, csv string) answer {
	tb.Helper()
	got := b.call(tb, http.MethodPost, path+"/import", b.organizer, csv, "Content-Type", "text/csv")
	require.Equal(tb, http.StatusOK, got.status, got.raw)
	return got
}

// requireCounts checks how many rows were added, changed, unchanged and wrong.
func requireCounts(t *testing.T, got answer, added, changed, unchanged, wrong int) {
	t.Helper()
	require.InDelta(t, added, got.body["added"], 0, got.raw)
	require.InDelta(t, changed, got.body["changed"], 0, got.raw)
	require.InDelta(t, unchanged, got.body["unchanged"], 0, got.raw)
	require.Len(t, got.body["errors"], wrong, got.raw)
}

// count counts the accounts and the entries that there are.
func (b *testBundle) count(t *testing.T) (users, participants int) {
	t.Helper()
	return b.countUsers(t), b.countEntries(t)
}

func TestImportStartList(t *testing.T) {
	t.Parallel()
	b := setup(t)
	path := b.created(t, "")
	participants := path + "/participants"
	const list = "Bib,Name,Gender,Age,Shoe\n0042,Ada,F,40,9\n7,Ben,M,,8\n"

	got := b.imports(t, participants, list)
	requireCounts(t, got, 2, 0, 0, 0)
	require.Equal(t, []any{"Shoe"}, got.body["ignored_columns"])
	requireCounts(t, b.imports(t, participants, list), 0, 0, 2, 0)
	users, entries := b.count(t)
	require.Equal(t, 2, users)
	require.Equal(t, 2, entries)

	record := b.post(t, raceID(path), "42")
	requireCounts(t, b.imports(t, participants, strings.Replace(list, "Ada", "Ada L.", 1)), 0, 1, 1, 0)
	require.Zero(t, b.pokes.Load(), "a name moves no points")
	runner := userdb.StandInID(raceID(path), "42")
	known, err := b.users.Runners(t.Context(), []string{runner})
	require.NoError(t, err)
	require.Equal(t, userdb.Runner{UserID: runner, Name: "Ada L.", Sex: race.Female}, known[runner])

	requireCounts(t, b.imports(t, participants, `bib,age
42,41
`), 0, 1, 0, 0)
	require.EqualValues(t, 1, b.pokes.Load())
	after, err := b.races.Record(t.Context(), raceID(path), record.ID)
	require.NoError(t, err)
	require.Equal(t, 2, after.Revision)
}

func TestImportStartListAsJSON(t *testing.T) {
	t.Parallel()
	b := setup(t)
	path := b.created(t, "") + "/participants"
	got := b.call(t, http.MethodPost, path+"/import", b.organizer, `[{"bib":"1","name":"Ada","birth_date":"1980-05-01"},{"bib":"2"}]`)
	require.Equal(t, http.StatusOK, got.status, got.raw)
	requireCounts(t, got, 2, 0, 0, 0)
}

func TestImportStartListWithLogins(t *testing.T) {
	t.Parallel()
	b := setup(t)
	path := b.created(t, "") + "/participants"
	ann, token := b.runner(t, "ann@example.org", race.Female, race.Date{Year: 1990, Month: time.April, Day: 20})
	require.Equal(t, http.StatusCreated, b.call(t, http.MethodPost, path, token, "").status)

	got := b.imports(t, path, "bib,name,login_id\n1,Not her name,Ann@Example.org\n2,,nobody@example.org\n3,,x\n")
	requireCounts(t, got, 1, 1, 0, 1)
	require.Equal(t, "login_id", got.list(t, "errors")[0]["field"])
	mine := b.call(t, http.MethodGet, path+"/me", token, "").body
	require.Equal(t, "1", mine["bib"], "who entered in person gets the bib")
	require.Equal(t, "F", mine["sex"])
	require.InDelta(t, 35, mine["age"], 0)

	requireCounts(t, b.imports(t, path, "bib,login_id\n9,ann@example.org\n"), 0, 1, 0, 0)
	require.Equal(t, "9", b.call(t, http.MethodGet, path+"/me", token, "").body["bib"])
	requireCounts(t, b.imports(t, path, "bib,name\n9,Somebody\n"), 0, 0, 1, 0)
	account, err := b.users.Account(t.Context(), ann)
	require.NoError(t, err)
	require.Equal(t, "Name of ann@example.org", account.Name, "an organizer does not rename a person's account")

	got = b.imports(t, path, "bib,login_id\n10,ann@example.org\n11,ANN@example.org\n")
	requireCounts(t, got, 0, 0, 0, 2)
	require.NotContains(t, got.raw, "@", "the login is not echoed")
	requireCounts(t, b.imports(t, path, "bib,login_id\n9,ben@example.org\n"), 0, 0, 0, 1)
}

// Whoever signs up with somebody else's address and enters the race gets nothing by the
// row that names the address, until they have confirmed it.
func TestAStartListDoesNotTrustAnUnconfirmedAddress(t *testing.T) {
	t.Parallel()
	b := setup(t)
	path := b.created(t, "") + "/participants"
	squatter, token := b.runner(t, "famous@example.org", race.Female, race.Date{Year: 1990, Month: time.April, Day: 20})
	b.inUser(t, "UPDATE user SET email = NULL, email_pending = login_id WHERE user_id = ?", squatter)
	require.Equal(t, http.StatusCreated, b.call(t, http.MethodPost, path, token, "").status)

	const file = "bib,name,sex,age,login_id\n1,Famous Runner,F,30,famous@example.org\n"
	requireCounts(t, b.imports(t, path, file), 1, 0, 0, 0)
	requireCounts(t, b.imports(t, path, file), 0, 0, 1, 0)
	require.NotContains(t, b.call(t, http.MethodGet, path+"/me", token, "").body, "bib")
	listed := b.call(t, http.MethodGet, path, b.organizer, "")
	require.Contains(t, listed.raw, "Famous Runner")

	b.inUser(t, "UPDATE user SET email = login_id WHERE user_id = ?", squatter)
	requireCounts(t, b.imports(t, path, file), 0, 1, 0, 0)
	require.Equal(t, "1", b.call(t, http.MethodGet, path+"/me", token, "").body["bib"])

	b.inUser(t, "UPDATE user SET email = NULL WHERE user_id = ?", squatter)
	requireCounts(t, b.imports(t, path, file), 0, 0, 1, 0)
	require.Equal(t, "1", b.call(t, http.MethodGet, path+"/me", token, "").body["bib"], "a bib that they have stays theirs")
	requireCounts(t, b.imports(t, path, "bib,login_id\n2,famous@example.org\n"), 1, 0, 0, 0)
	require.Equal(t, "1", b.call(t, http.MethodGet, path+"/me", token, "").body["bib"], "but they get no other")
}

// Whatever a start list says of a login, its answers are those for a login that
// nobody has, and nothing of the account gets into the race.
func TestAStartListNeverReachesIntoAnAccount(t *testing.T) {
	t.Parallel()
	b := setup(t)
	victim, token := b.runner(t, "victim@example.org", race.Female, race.Date{Year: 1990, Month: time.April, Day: 20})
	_, err := b.users.CreateAccount(t.Context(), userdb.Account{
		UserID: newID(), LoginID: "club@example.org", PasswordHash: "hash", Type: auth.Organizer, Name: "Club",
	})
	require.NoError(t, err)
	var answers []string
	for _, login := range []string{"victim@example.org", "club@example.org", "nobody@example.org"} {
		path := b.created(t, `,"capacity":2`) + "/participants"
		var said strings.Builder
		for _, list := range []string{
			"bib,name,sex,age,login_id\n1,Row,M,50,LOGIN\n2,,,,\n", "bib,login_id\n1,LOGIN\n", "bib,login_id\n2,LOGIN\n",
			"bib,login_id\n3,LOGIN\n", "bib,login_id,birth_date\n2,LOGIN,1800-01-01\n", "bib,login_id\n1,LOGIN\n2,LOGIN\n",
		} {
			list = strings.ReplaceAll(list, "LOGIN", login)
			dry := b.call(t, http.MethodPost, path+"/import?dry_run=true", b.organizer, list, "Content-Type", "text/csv")
			require.Equal(t, http.StatusOK, dry.status, dry.raw)
			done := b.imports(t, path, list)
			require.Equal(t, dry.body, done.body)
			fmt.Fprintln(&said, dry.raw, done.raw)
		}
		list := b.call(t, http.MethodGet, path, b.organizer, "")
		for _, p := range list.list(t, "items") {
			require.NotEqual(t, victim, p["user_id"])
			fmt.Fprintln(&said, p["bib"], p["name"], p["sex"], p["age"], p["status"])
		}
		require.NotContains(t, list.raw, "victim")
		answers = append(answers, said.String())
		require.Equal(t, http.StatusNotFound, b.call(t, http.MethodGet, path+"/me", token, "").status)
	}
	require.Equal(t, answers[0], answers[2])
	require.Equal(t, answers[1], answers[2])
	require.Contains(t, answers[0], "1 Row M 50 entered")
}

func TestImportStartListListsWhatIsWrong(t *testing.T) {
	t.Parallel()
	b := setup(t)
	path := b.created(t, `,"capacity":2`) + "/participants"
	got := b.imports(t, path, "bib,sex,age,birth_date,field\n"+
		"1,F,40,,\n"+ // row 2
		"!,F,,,\n"+
		"3,Q,,,\n"+
		"4,F,400,,\n"+
		"5,F,41,1980-05-01,\n"+
		"6,F,,2026-04-20,\n"+
		"7,F,,,bike\n"+
		"8,F,,,\n08,M,,,\n"+ // rows 9 and 10
		"11,F,,,\n12,F,,,\n") // the second is one too many
	requireCounts(t, got, 2, 0, 0, 9)
	var where []string
	for _, wrong := range got.list(t, "errors") {
		where = append(where, fmt.Sprintf("%v %v", wrong["row"], wrong["field"]))
	}
	require.Equal(t, []string{
		"3 bib", "4 sex", "5 age", "6 age", "7 birth_date", "8 field", "9 bib", "10 bib", "12 bib",
	}, where)
}

func TestImportStartListDryRun(t *testing.T) {
	t.Parallel()
	b := setup(t)
	path := b.created(t, "") + "/participants"
	b.imports(t, path, "bib,name\n1,Ada\n2,Ben\n3,Cem\n")
	const next = "bib,name,sex\n1,Ada L.,\n2,Ben,M\n3,Cem,\n4,Dov,\n5,Eva,Q\n"
	dry := b.call(t, http.MethodPost, path+"/import?dry_run=true", b.organizer, next, "Content-Type", "text/csv")
	require.Equal(t, http.StatusOK, dry.status)
	requireCounts(t, dry, 1, 2, 1, 1)
	users, entries := b.count(t)
	require.Equal(t, 3, users)
	require.Equal(t, 3, entries)
	require.Equal(t, dry.body, b.imports(t, path, next).body, "the import does what was told")
	requireCounts(t, b.imports(t, path, next), 0, 0, 4, 1)
}

func TestImportStartListRefusesFiles(t *testing.T) {
	t.Parallel()
	b := setup(t)
	path := b.created(t, "") + "/participants/import"
	for name, refused := range map[string]struct {
		body   string
		status int
		says   string
	}{
		"broken quoting": {"bib,name\n1,\"Ada\n", http.StatusUnprocessableEntity, "line"},
		"no text":        {"\x00\x01\x02\xff\n\x00", http.StatusUnprocessableEntity, "line 1"},
		"no bib column":  {"name\nAda\n", http.StatusUnprocessableEntity, "bib"},
		"too many rows":  {"bib\n" + strings.Repeat("1\n", 50_001), http.StatusRequestEntityTooLarge, "50000"},
		"too long":       {string(bytes.Repeat([]byte("a"), 17<<20)), http.StatusRequestEntityTooLarge, ""},
	} {
		got := b.call(t, http.MethodPost, path, b.organizer, refused.body, "Content-Type", "text/csv")
		require.Equal(t, refused.status, got.status, name)
		require.Contains(t, got.raw, refused.says, name)
	}
	require.Equal(t, http.StatusForbidden, b.call(t, http.MethodPost, path, "organizer/"+newID(), "bib\n1\n").status)
}

func TestImportStartListAfterACrashBetweenTheDatabases(t *testing.T) {
	t.Parallel()
	b := setup(t)
	path := b.created(t, "") + "/participants"
	const list = "bib,name\n1,Ada\n2,Ben\n"
	b.races.crash.Store(true)
	crashed := b.call(t, http.MethodPost, path+"/import", b.organizer, list, "Content-Type", "text/csv", "Idempotency-Key", "k")
	require.Equal(t, http.StatusInternalServerError, crashed.status)
	users, entries := b.count(t)
	require.Equal(t, 2, users)
	require.Zero(t, entries)

	b.races.crash.Store(false)
	again := b.call(t, http.MethodPost, path+"/import", b.organizer, list, "Content-Type", "text/csv", "Idempotency-Key", "k")
	require.Equal(t, http.StatusOK, again.status, again.raw)
	requireCounts(t, again, 2, 0, 0, 0)
	users, entries = b.count(t)
	require.Equal(t, 2, users, "no second accounts")
	require.Equal(t, 2, entries)
}

func TestImportStartListManyTimesAtOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	path := b.created(t, "") + "/participants"
	var list strings.Builder
	list.WriteString("bib,name\n")
	for i := range 1500 {
		fmt.Fprintf(&list, "%d,Runner %d\n", i+1, i+1)
	}
	var group sync.WaitGroup
	statuses := make([]int, 6)
	for i := range statuses {
		group.Go(func() {
			statuses[i] = b.call(t, http.MethodPost, path+"/import", b.organizer, list.String(), "Content-Type", "text/csv").status
		})
	}
	group.Wait()
	for _, status := range statuses {
		require.Equal(t, http.StatusOK, status)
	}
	users, entries := b.count(t)
	require.Equal(t, 1500, users)
	require.Equal(t, 1500, entries)
}

func BenchmarkImportStartList(b *testing.B) {
	for _, rows := range []int{16_783, 50_000} {
		var list strings.Builder
		list.WriteString("bib,name,sex,age\n")
		for i := range rows {
			fmt.Fprintf(&list, "%d,Runner Number %d,%s,%d\n", i+1, i+1, []string{"F", "M"}[i%2], 18+i%60)
		}
		bundle := setup(b)
		path := ""
		b.Run(fmt.Sprintf("first/%d", rows), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				path = bundle.created(b, "") + "/participants"
				bundle.imports(b, path, list.String())
			}
		})
		b.Run(fmt.Sprintf("again/%d", rows), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				bundle.imports(b, path, list.String())
			}
		})
	}
}

func TestABibThatGoesToAnEntrantDoesNotShowWhoHadIt(t *testing.T) {
	t.Parallel()
	b := setup(t)
	path := b.created(t, "") + "/participants"
	requireCounts(t, b.imports(t, path, "bib,name,sex,birth_date\n1,Ada,F,1980-05-01\n"), 1, 0, 0, 0)
	_, ben := b.runner(t, "ben@example.org", "", race.Date{})
	require.Equal(t, http.StatusCreated, b.call(t, http.MethodPost, path, ben, "").status)
	requireCounts(t, b.imports(t, path, "bib,login_id\n1,ben@example.org\n"), 0, 1, 0, 0)
	mine := b.call(t, http.MethodGet, path+"/me", ben, "").body
	require.Equal(t, "1", mine["bib"])
	require.NotContains(t, mine, "age")
	require.Empty(t, mine["sex"])

	_, cem := b.runner(t, "cem@example.org", "", race.Date{})
	require.Equal(t, http.StatusCreated, b.call(t, http.MethodPost, path, cem, "").status)
	requireCounts(t, b.imports(t, path, "bib,login_id\n2,cem@example.org\n"), 0, 1, 0, 0)
	got := b.imports(t, path, "bib,login_id\n2,ben@example.org\n")
	requireCounts(t, got, 0, 0, 0, 1)
	require.NotContains(t, got.raw, "cem")

	// Bib 1 stands in for somebody else than Ada.
	requireCounts(t, b.imports(t, path, "bib,name,login_id\n9,,ben@example.org\n1,Cara,\n"), 1, 1, 0, 0)
	raceID := strings.Split(path, "/")[3]
	id := userdb.StandInID(raceID, "1")
	found, err := b.users.Runners(t.Context(), []string{id})
	require.NoError(t, err)
	require.Equal(t, userdb.Runner{UserID: id, Name: "Cara"}, found[id])
}
