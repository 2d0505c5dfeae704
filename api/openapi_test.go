package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/go-chi/chi/v5"
	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/telemetry"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// document returns the OpenAPI document as a client gets it.
func document(tb testing.TB, router http.Handler) *openapi3.T {
	tb.Helper()
	answer := httptest.NewRecorder()
	router.ServeHTTP(answer, httptest.NewRequestWithContext(tb.Context(), http.MethodGet, "/openapi.json", http.NoBody))
	require.Equal(tb, http.StatusOK, answer.Code)
	loaded, err := openapi3.NewLoader().LoadFromData(answer.Body.Bytes())
	require.NoError(tb, err)
	return loaded
}

// operation is an operation of the document.
type operation struct {
	*openapi3.Operation
	method, path string
}

func (o operation) rule() server.Rule { return server.Access[o.method+" "+o.path] }

func operations(doc *openapi3.T) (list []operation) {
	for _, path := range slices.Sorted(maps.Keys(doc.Paths.Map())) {
		methods := doc.Paths.Value(path).Operations()
		for _, method := range slices.Sorted(maps.Keys(methods)) {
			list = append(list, operation{methods[method], method, path})
		}
	}
	return list
}

// withoutDatabase is the API as far as its document needs it.
func withoutDatabase(t *testing.T) *chi.Mux {
	t.Helper()
	p := parts{
		cfg: settings{
			PublicURL: "https://api.example.org/",
			Auth:      auth.Config{PrivateKeyPath: t.TempDir() + "/jwt.pem", Issuer: "test", Audience: "test", AccessTokenTTL: time.Hour},
		},
		userDB: &userdb.Accounts{}, health: http.NotFoundHandler(), registry: telemetry.NewRegistry(), log: slog.New(slog.DiscardHandler), now: time.Now,
	}
	router, err := newHandler(p)
	require.NoError(t, err)
	return router
}

// TestOpenAPIDocument is the linter of the document: `make lint` runs it too.
func TestOpenAPIDocument(t *testing.T) {
	t.Parallel()
	doc := document(t, withoutDatabase(t))
	require.NoError(t, doc.Validate(t.Context()))
	require.Equal(t, "https://api.example.org", doc.Servers[0].URL)
	require.Contains(t, doc.Info.Description, "## Getting started")
	for _, op := range operations(doc) {
		t.Run(op.OperationID, func(t *testing.T) {
			t.Parallel()
			lint(t, op)
		})
	}
}

func lint(t *testing.T, op operation) {
	t.Helper()
	rule := op.rule()
	require.NotEmpty(t, op.Summary)
	require.False(t, strings.HasSuffix(op.Summary, "."), "a summary is a phrase")
	require.Len(t, op.Tags, 1)
	require.NotNil(t, op.Security, "security is said even where there is none")
	needsToken := !slices.ContainsFunc(*op.Security, func(s openapi3.SecurityRequirement) bool { return len(s) == 0 })
	require.Equal(t, rule.Who != server.Anyone, needsToken)
	require.NotNil(t, op.Parameters.GetByInAndName("header", "X-Request-Id"))
	require.Equal(t, rule.Creates, op.Parameters.GetByInAndName("header", "Idempotency-Key") != nil)
	for _, p := range op.Parameters {
		require.NotEmpty(t, p.Value.Description, "parameter %s", p.Value.Name)
	}
	for code, response := range op.Responses.Map() {
		require.Contains(t, response.Value.Headers, "X-Request-Id", code)
		if code == "429" || code == "503" {
			require.Contains(t, response.Value.Headers, "Retry-After", code)
		}
	}
	if op.RequestBody != nil {
		for mediaType, media := range op.RequestBody.Value.Content {
			if mediaType == "application/json" {
				require.NotNil(t, media.Example, "the body has no example")
			}
		}
	}
	if rule.Who == server.Anyone && rule.Creates {
		text, err := json.Marshal(op.Responses.Value("201"))
		require.NoError(t, err)
		for _, secret := range []string{"token", "password", "secret"} {
			require.NotContains(t, string(text), secret, "the answer of an anonymous caller is stored")
		}
	}
}

// TestExamplesAreAccepted sends the example of every operation as it stands, with
// IDs of things that exist.
func TestExamplesAreAccepted(t *testing.T) { //nolint:tparallel // one after the other, since some change what others need
	t.Parallel()
	b := setup(t)
	list := operations(document(t, b.router))
	logged := b.changes(t)
	signUp := `{"login_id":"office@example.net","password":"six stars to go","name":"Race Office","user_type":"organizer"}`
	answer := b.send(t, http.MethodPost, "/v1/users", "", signUp, http.Header{"Content-Type": {"application/json"}})
	require.Equal(t, http.StatusCreated, answer.Code, answer.Body)
	// The example of the login is the account of the sign-up's example.
	require.Equal(t, 1, b.changes(t)-logged)
	slices.SortStableFunc(list, func(a, b operation) int { return order(a) - order(b) })
	for _, op := range list { //nolint:paralleltest // in their order
		t.Run(op.OperationID, func(t *testing.T) { b.sendExample(t, op) })
	}
}

func order(op operation) int {
	switch op.OperationID {
	case "sign-up":
		return 0
	case "delete-me":
		return 2
	default:
		return 1
	}
}

func (b *testBundle) sendExample(t *testing.T, op operation) {
	t.Helper()
	ids := b.things(t, op.OperationID)
	path, query, headers := op.path, url.Values{}, http.Header{}
	known := op.OperationID != "compare-standings" && op.OperationID != "merge-people" // the versions and people that they name are made up
	for _, p := range op.Parameters {
		example := p.Value.Example
		if example == nil && p.Value.Required && p.Value.Schema.Value.Enum != nil {
			example = p.Value.Schema.Value.Enum[0]
		}
		require.False(t, example == nil && p.Value.Required, "%s: parameter %s has no example", op.OperationID, p.Value.Name)
		switch {
		case p.Value.In == "path":
			id, exists := ids[p.Value.Name]
			if !exists {
				id, known = newID(), false
			}
			path = strings.ReplaceAll(path, "{"+p.Value.Name+"}", id)
		case example == nil:
		case p.Value.In == "query" && strings.HasSuffix(op.path, "/import") && !p.Value.Required: // they go with other files
		case p.Value.In == "query":
			query.Set(p.Value.Name, fmt.Sprint(example))
		case p.Value.In == "header":
			headers.Set(p.Value.Name, fmt.Sprint(example))
		}
	}
	body := ""
	if op.RequestBody != nil {
		if media := op.RequestBody.Value.Content["application/json"]; media != nil {
			text, err := json.Marshal(media.Example)
			require.NoError(t, err)
			body = strings.NewReplacer(exampleToken, ids["refresh_token"], exampleRace, cmp.Or(ids["from_race_id"], ids["race_id"]), exampleHash, ids["hash"]).Replace(string(text))
			headers.Set("Content-Type", "application/json")
		}
		if op.RequestBody.Value.Content["multipart/form-data"] != nil {
			body = "bib,name,sex,age,gun_time\n9002,Bo Example,M,41,2:39:58\n"
			headers.Set("Content-Type", "text/csv")
		}
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	logged := b.changes(t)
	answer := b.send(t, op.method, path, b.tokens[callerOf(op.rule())], body, headers)
	requireChange(t, op, answer.Code, b.changes(t)-logged)
	switch {
	case answer.Code < http.StatusBadRequest:
	case !known && answer.Code == http.StatusNotFound: // what it is about does not exist here
	case (op.OperationID == "add-passkey" || op.OperationID == "login-by-passkey") && strings.Contains(answer.Body.String(), "begin again"): // its ceremony is made up
	case strings.HasPrefix(op.path, "/v1/ops/") && answer.Code == http.StatusServiceUnavailable: // nor do Temporal and the queue
	default:
		require.Fail(t, "the example is refused", "%s (%s %s) %s\n%d %s", op.OperationID, op.method, path, body, answer.Code, answer.Body)
	}
}

// changeNothing are the calls that are not GET and write no change, with the reason.
var changeNothing = map[string]string{
	"begin-passkey":       "a challenge: nothing is changed until it is answered",
	"begin-passkey-login": "likewise",
	"login":               "sessions have a list of their own",
	"login-by-passkey":    "likewise",
	"refresh-token":       "likewise",
	"logout":              "likewise",
	"open-transfer":       "shows an offer to whoever has its code",
	"plan-import":         "a plan: what applying it changes is logged then",
	"recover-account":     "mails a link: what is changed with it is logged then",
}

// notCarriedOut are the calls that cannot be carried out here, with where it is tested
// that they are logged.
var notCarriedOut = map[string]string{
	"add-passkey":          "internal/userdb: it takes an authenticator",
	"remove-passkey":       "internal/userdb: likewise",
	"merge-people":         "internal/maindb: the people of the example are made up",
	"discard-dead-letter":  "api/ops: there is no queue",
	"redrive-dead-letters": "api/ops: likewise",
}

// requireChange requires that a call which may change something wrote to the change log
// how much it did, so that a new call cannot be left out of it.
func requireChange(t *testing.T, op operation, status, logged int) {
	t.Helper()
	_, none := changeNothing[op.OperationID]
	_, elsewhere := notCarriedOut[op.OperationID]
	switch {
	case op.method == http.MethodGet, none:
		require.Zero(t, logged, "%s changes nothing", op.OperationID)
	case elsewhere:
		require.GreaterOrEqual(t, status, http.StatusBadRequest, "%s is carried out: it needs no exception", op.OperationID)
	default:
		require.Positive(t, logged, "%s (%d) wrote no change: log it, or say in changeNothing why not", op.OperationID, status)
	}
}

const (
	// exampleHash stands for the hash of a plan.
	exampleHash = "5c1f3f0f1c5f0a3be3f5d5a9d2f8a6b3f0a1c2d3e4f5061728394a5b6c7d8e9f"
	// exampleToken stands in examples for a token, of which there is none that is
	// good, and exampleRace for a race.
	exampleToken = "kBq7cBqf4OqJ1r6Q3oJm2y0Qb5m3g8mXb3mHhG0s5vE"
	exampleRace  = "0192f3a1-7c55-7f0e-9f63-2d4b8a6c1e07"
)

func callerOf(rule server.Rule) kind {
	switch {
	case rule.Who == server.Operator:
		return operator
	case rule.Who == server.Runner, rule.Who == server.Holder:
		return runner
	case rule.Who == server.Anyone && !rule.MoreForOwner:
		return anonymous
	default:
		return owner
	}
}

// things returns the IDs of new things of each kind, by the name that a path has
// for them: a race with a start list and a record, unless the operation is refused
// because of those.
func (b *testBundle) things(t testing.TB, operationID string) map[string]string {
	t.Helper()
	ids := map[string]string{"user_id": b.bystanderID, "message_id": newID()}
	create := func(path string, who kind, contentType, body, field, name string) {
		answer := b.send(t, http.MethodPost, path, b.tokens[who], body, http.Header{"Content-Type": {contentType}})
		require.Less(t, answer.Code, http.StatusBadRequest, "%s: %s", path, answer.Body)
		var created map[string]any
		require.NoError(t, json.Unmarshal(answer.Body.Bytes(), &created))
		ids[name] = fmt.Sprint(created[field])
	}
	const file = "application/json"
	if slices.Contains([]string{"follow-line", "get-draw", "export-draw", "enter-by-hand", "remove-entry", "change-my-entry", "accept-offer", "decline-offer"}, operationID) {
		day := time.Now().AddDate(1, 0, 0).Format(time.DateOnly)
		create("/v1/races", owner, file, `{"name":"A","date":"`+day+`","distance_m":42195,"ranking":{"basis":"gun"},"entry":{"capacity":1}}`, "race_id", "race_id")
		if strings.HasSuffix(operationID, "-draw") {
			closes := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
			create("/v1/races", owner, file, `{"name":"B","date":"`+day+`","distance_m":42195,"ranking":{"basis":"gun"},"entry":{"capacity":1,"order":"draw","closes_at":"`+closes+`"}}`, "race_id", "race_id")
			return ids
		}
		b.offerPlace(t, ids["race_id"])
		ids["user_id"] = b.ids[runner]
		return ids
	}
	if operationID == "defer-my-entry" {
		until := time.Now().AddDate(0, 6, 0).Format(time.RFC3339)
		on := func(years int) string {
			return `{"name":"A","date":"` + time.Now().AddDate(years, 0, 0).Format(time.DateOnly) + `","distance_m":42195,"ranking":{"basis":"gun"},"entry":{"capacity":9`
		}
		create("/v1/races", owner, file, on(2)+`}}`, "race_id", "next_race_id")
		create("/v1/races", owner, file, on(1)+`,"next_race_id":"`+ids["next_race_id"]+`","defer_until":"`+until+`"}}`, "race_id", "race_id")
		create("/v1/races/"+ids["race_id"]+"/participants", runner, file, "", "participant_id", "participant_id")
		return ids
	}
	if operationID == "admit-runner" || operationID == "end-admission" {
		pool := `{"name":"Group A","capacity":9,"standard":{"distance_m":42195,"men":"3:00:00","since":"2025-01-01"}}`
		create("/v1/races", owner, file, `{"name":"A","date":"2026-04-19","distance_m":42195,"ranking":{"basis":"gun"},"entry":{"pools":[`+pool+`]}}`, "race_id", "race_id")
		create("/v1/races/"+ids["race_id"]+"/admissions", owner, file, `{"login_id":"a@example.org","pool":"Group A","reason":"why"}`, "admission_id", "admission_id")
		return ids
	}
	if strings.Contains(operationID, "transfer") || operationID == "offer-my-place" {
		until := time.Now().AddDate(0, 6, 0).Format(time.RFC3339)
		create("/v1/races", owner, file, `{"name":"A","date":"`+time.Now().AddDate(1, 0, 0).Format(time.DateOnly)+`","distance_m":42195,"ranking":{"basis":"gun"},"entry":{"capacity":9,"transfer_until":"`+until+`"}}`, "race_id", "race_id")
		ids["user_id"] = b.transferTo(t, ids["race_id"], operationID)
		return ids
	}
	create("/v1/races", owner, file, `{"name":"A","date":"2026-04-19","distance_m":42195,"ranking":{"basis":"gun"},"timing_points":[{"name":"Half","distance_m":21097.5}]}`, "race_id", "race_id")
	racePath := "/v1/races/" + ids["race_id"]
	claims := slices.Contains([]string{"accept-claim", "decline-claim", "withdraw-claim", "approve-claim", "refuse-claim"}, operationID)
	if operationID != "enter-race" && !claims {
		create(racePath+"/participants", runner, file, "", "participant_id", "participant_id")
	}
	startList := "bib,name,sex,age\n9001,Ada Example,F,34\n9002,Bo Example,M,41\n"
	if strings.HasSuffix(operationID, "-dispute") { // of the runner's own result
		startList = "bib,login_id\n9001,runner@example.net\n"
	}
	if operationID == "withdraw-claim" || operationID == "approve-claim" || operationID == "refuse-claim" {
		startList = "bib,name,birth_date\n9001,Ada Example,1990-05-01\n"
	} else if claims {
		startList = "bib,name,login_id\n9001,Ada Example,runner@example.net\n"
	}
	if operationID != "import-start-list" {
		create(racePath+"/participants/import", owner, "text/csv", startList, "added", "")
	}
	if !slices.Contains([]string{"delete-race", "cancel-my-entry", "enter-race"}, operationID) {
		create(racePath+"/official-records", owner, file, `{"bib":"9001","gun_time":"2:41:05"}`, "record_id", "record_id")
	}
	switch operationID {
	case "accept-claim", "decline-claim":
		ids["claim_id"] = b.invitation(t, ids["race_id"])
	case "withdraw-claim", "approve-claim", "refuse-claim":
		create("/v1/me/claims", runner, file, `{"race_id":"`+ids["race_id"]+`","bib":"9001","birth_date":"1990-05-01"}`, "claim_id", "claim_id")
	case "cancel-finalize":
		create(racePath+"/finalize", owner, file, "", "", "")
	case "end-my-session":
		ids["session_id"] = newID()
		_, hash := auth.NewRefreshToken()
		require.NoError(t, b.parts.userDB.StartSession(t.Context(), userdb.Session{
			ID: ids["session_id"], Account: userdb.Account{UserID: b.ids[runner], PasswordHash: passwordHash()}, CreatedAt: time.Now(), ExpiresAt: time.Now().Add(time.Hour),
		}, hash))
	case "apply-import", "undo-import":
		plan := func(field string) {
			create(racePath+"/imports", owner, "text/csv", "bib,gun_time\n9002,2:50:00\n", field, field)
		}
		plan("hash")
		plan("import_id")
		if operationID == "undo-import" {
			create(racePath+"/imports/"+ids["import_id"]+"/apply", owner, file, `{"hash":"`+ids["hash"]+`"}`, "", "")
		}
	}
	create(racePath+"/staff", owner, file, `{"login_id":"runner@example.net","role":"viewer"}`, "invitation_id", "invitation_id")
	if strings.HasSuffix(operationID, "-staff-role") || operationID == "remove-staff" {
		create("/v1/me/staff-invitations/"+ids["invitation_id"]+"/accept", runner, file, "", "race_id", "")
		ids["user_id"] = b.ids[runner]
	}
	if operationID == "withdraw-dispute" || operationID == "answer-dispute" {
		create(racePath+"/official-records/"+ids["record_id"]+"/disputes", runner, file, `{"wrong":"my chip was not read"}`, "dispute_id", "dispute_id")
	}
	create(racePath+"/keys", owner, file, `{"name":"laptop","scope":"read"}`, "key_id", "key_id")
	if operationID == "revoke-my-key" {
		create("/v1/me/keys", owner, file, `{"name":"laptop","scope":"read"}`, "key_id", "key_id")
	}
	create(racePath+"/webhooks", owner, file, `{"url":"https://example.org/hooks","events":["race.changed"]}`, "webhook_id", "webhook_id")
	create(racePath+"/tasks", owner, file, `{"title":"Order the medals"}`, "task_id", "task_id")
	create(racePath+"/calendar", owner, file, "", "url", "")
	if operationID == "copy-tasks" {
		create("/v1/races", owner, file, `{"name":"B","date":"2025-04-20","distance_m":42195,"ranking":{"basis":"gun"}}`, "race_id", "from_race_id")
		create("/v1/races/"+ids["from_race_id"]+"/tasks", owner, file, `{"title":"Order the medals"}`, "task_id", "")
	}
	if operationID == "replay-webhook-delivery" || operationID == "replay-delivery" {
		ids["delivery_id"] = b.someDelivery(t, ids["race_id"], ids["webhook_id"])
	}
	if operationID == "resend-mail" {
		ids["mail_id"] = b.failedMail(t)
	}
	if strings.HasSuffix(operationID, "-comment") || strings.HasSuffix(operationID, "-post") {
		create(racePath+"/posts", owner, file, `{"title":"Start","body":"at eight"}`, "post_id", "post_id")
	}
	if strings.HasSuffix(operationID, "-comment") {
		author := runner
		if operationID == "report-comment" { // by somebody else
			author = owner
		}
		create(racePath+"/posts/"+ids["post_id"]+"/comments", author, file, `{"text":"thanks"}`, "comment_id", "comment_id")
	}
	if strings.Contains(operationID, "series") {
		create("/v1/series", owner, file, `{"name":"A","races":[{"race_id":"`+ids["race_id"]+`"}]}`, "series_id", "series_id")
	}
	create("/v1/me/unofficial-records", runner, file, `{"date":"2026-05-09","distance_m":5000,"time":"21:40"}`, "unofficial_record_id", "id")
	switch operationID {
	case "choose-password":
		ids["refresh_token"] = b.mailedToken(t, userdb.Recover)
		return ids
	case "confirm-by-link":
		ids["refresh_token"] = b.mailedToken(t, userdb.ConfirmEmail)
		return ids
	}
	create("/v1/login", anonymous, file, `{"login_id":"office@example.net","password":"six stars to go"}`, "refresh_token", "refresh_token")
	return ids
}

// invitation returns the runner's invitation to claim a result of a race.
func (b *testBundle) invitation(t testing.TB, raceID string) string {
	t.Helper()
	answer := b.send(t, http.MethodGet, "/v1/me/claims?limit=1000", b.tokens[runner], "", nil)
	require.Equal(t, http.StatusOK, answer.Code)
	var claims struct {
		Items []struct {
			ClaimID string `json:"claim_id"`
			RaceID  string `json:"race_id"`
		} `json:"items"`
	}
	require.NoError(t, json.Unmarshal(answer.Body.Bytes(), &claims))
	for _, c := range claims.Items {
		if c.RaceID == raceID {
			return c.ClaimID
		}
	}
	require.Fail(t, "the runner was not invited")
	return ""
}

// someDelivery changes a race and returns the delivery of that to a webhook.
func (b *testBundle) someDelivery(t testing.TB, raceID, webhookID string) string {
	t.Helper()
	require.NoError(t, b.parts.mainDB.AddChange(t.Context(), race.Change{Action: "race.changed", RaceID: raceID, Subject: race.Subject{Kind: "race", ID: raceID}}))
	for _, take := range []func(context.Context) (int, error){
		func(ctx context.Context) (int, error) { return b.outcomes.SealChanges(ctx, 1000) }, b.outcomes.ConsumeWebhooks,
	} {
		for n := 1; n > 0; {
			var err error
			n, err = take(t.Context())
			require.NoError(t, err)
		}
	}
	found, err := b.parts.mainDB.WebhookDeliveries(t.Context(), webhookID, "", 1)
	require.NoError(t, err)
	require.Len(t, found, 1)
	return found[0].ID
}

// offerPlace has the runner offered the only place of a race.
func (b *testBundle) offerPlace(t testing.TB, raceID string) {
	t.Helper()
	entering := maindb.NewEntering(b.parts.mainDB, func(_ context.Context, userIDs []string) (map[string]maindb.Account, error) {
		return map[string]maindb.Account{userIDs[0]: {}}, nil
	})
	for _, userID := range []string{b.bystanderID, b.ids[runner]} {
		_, err := entering.Enter(t.Context(), maindb.Entry{ID: newID(), RaceID: raceID, UserID: userID})
		require.NoError(t, err)
	}
	require.NoError(t, b.parts.mainDB.CancelEntry(t.Context(), raceID, b.bystanderID))
}

// transferTo enters a runner in a race and has them transfer their place, as far as an
// operation needs it. It returns whose place it is.
func (b *testBundle) transferTo(t testing.TB, raceID, operationID string) (giver string) {
	t.Helper()
	byHand, opens := operationID == "get-transfer" || strings.Contains(operationID, "by-hand"), slices.Contains([]string{"open-transfer", "accept-transfer", "decline-transfer"}, operationID)
	name := "Min-ji Kim"
	if opens {
		name = "Jun-ho Park"
	}
	other := newID()
	_, err := b.accounts.CreateAccount(t.Context(), userdb.Account{UserID: other, LoginID: other, PasswordHash: "x", Type: auth.Runner, Name: name})
	require.NoError(t, err)
	giver, receiver := b.ids[runner], other
	switch {
	case byHand:
		giver = b.bystanderID
	case opens:
		giver, receiver = other, b.ids[runner]
	}
	entering := maindb.NewEntering(b.parts.mainDB, func(context.Context, []string) (map[string]maindb.Account, error) {
		return map[string]maindb.Account{giver: {}}, nil
	})
	_, err = entering.Enter(t.Context(), maindb.Entry{ID: newID(), RaceID: raceID, UserID: giver})
	require.NoError(t, err)
	if operationID == "offer-my-place" || operationID == "transfer-by-hand" {
		return giver
	}
	code := sha256.Sum256([]byte("K7QF2M9X3TAB"))
	_, err = b.parts.mainDB.OfferTransfer(t.Context(), maindb.TransferOffer{ID: newID(), RaceID: raceID, GiverID: giver, CodeHash: code[:], ByHand: byHand})
	require.NoError(t, err)
	if strings.HasPrefix(operationID, "confirm") {
		people, err := b.accounts.Runners(t.Context(), []string{giver})
		require.NoError(t, err)
		_, err = b.parts.mainDB.AcceptTransfer(t.Context(), raceID, code[:], receiver, maindb.Account{}, people[giver].Name)
		require.NoError(t, err)
	}
	return giver
}

// failedMail returns a mail that was not sent because no mails were.
func (b *testBundle) failedMail(tb testing.TB) (mailID string) {
	tb.Helper()
	login := newID() + "@example.net"
	_, err := b.accounts.CreateAccount(tb.Context(), userdb.Account{UserID: newID(), LoginID: login, PasswordHash: "x", Type: auth.Runner, EmailPending: login})
	require.NoError(tb, err)
	require.NoError(tb, b.accounts.StartMails(tb.Context(), func(ctx context.Context, id string, _ int) error {
		m, err := b.mails.BeginMail(ctx, id)
		if m.Address == login {
			mailID = id
		}
		return errors.Join(err, b.mails.FinishMail(ctx, id, userdb.MailFailed, ""))
	}))
	return mailID
}

// mailedToken returns the token of a link that a new account was mailed.
func (b *testBundle) mailedToken(tb testing.TB, purpose userdb.MailKind) (token string) {
	tb.Helper()
	last := func() (token string) {
		require.NoError(tb, b.accounts.StartMails(tb.Context(), func(ctx context.Context, mailID string, _ int) error {
			m, err := b.mails.BeginMail(ctx, mailID)
			token = cmp.Or(m.Token, token) // a notice of something else has none
			return err
		}))
		return token
	}
	login := newID() + "@example.net"
	_, err := b.accounts.CreateAccount(tb.Context(), userdb.Account{UserID: newID(), LoginID: login, PasswordHash: "x", Type: auth.Runner, EmailPending: login})
	require.NoError(tb, err)
	token = last()
	if purpose == userdb.Recover {
		require.NoError(tb, b.accounts.UseLink(tb.Context(), auth.HashRefreshToken(token), "", false))
		require.NoError(tb, b.accounts.AskRecovery(tb.Context(), login))
		require.NoError(tb, b.accounts.AnswerRecoveries(tb.Context()))
		token = last()
	}
	return token
}

func (b *testBundle) send(tb testing.TB, method, path, token, body string, headers http.Header) *httptest.ResponseRecorder {
	tb.Helper()
	request := httptest.NewRequestWithContext(tb.Context(), method, path, strings.NewReader(body))
	maps.Copy(request.Header, headers)
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	answer := httptest.NewRecorder()
	b.router.ServeHTTP(answer, request)
	return answer
}
