package claims

import (
	"bytes"
	"context"
	"encoding/csv"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

func (h handlers) registerForOrganizers(api huma.API, answers []int) {
	const path = "/v1/races/{race_id}/claims"
	server.Register(api, huma.Operation{
		OperationID: "list-race-claims", Method: http.MethodGet, Path: path, Summary: "List the claims to results of your race", Tags: []string{tag},
		Description: "An invitation shows who accepted it, never whether its login exists: one that was declined is listed as invited.",
		Errors:      answers,
	}, h.list)
	server.Register(api, huma.Operation{
		OperationID: "approve-claim", Method: http.MethodPost, Path: path + "/{claim_id}/approve", DefaultStatus: http.StatusOK, MaxBodyBytes: maxBody,
		Summary: "Approve a claim", Tags: []string{tag},
		Description: "The result and its points go to the claimant. A claim by which another account had the result is refused by that; its holder " +
			"sees so. Repeating it changes nothing.",
		Errors: answers,
	}, h.approve)
	server.Register(api, huma.Operation{
		OperationID: "refuse-claim", Method: http.MethodPost, Path: path + "/{claim_id}/refuse", DefaultStatus: http.StatusOK, MaxBodyBytes: maxBody,
		Summary: "Refuse or revoke a claim", Tags: []string{tag},
		Description: "The runner sees the reason. A result that was accepted goes back to the person of the start list, with its points. Repeating it changes nothing.",
		Errors:      answers,
	}, h.refuse)
	server.Register(api, huma.Operation{
		OperationID: "list-claim-codes", Method: http.MethodGet, Path: "/v1/races/{race_id}/claim-codes", Summary: "List the claim codes of your race",
		Tags: []string{tag}, Description: "One for each bib, to give to its runner: anyone who has the code can claim the result.", Errors: answers,
	}, h.codes)
	server.Register(api, huma.Operation{
		OperationID: "export-claim-codes", Method: http.MethodGet, Path: "/v1/races/{race_id}/claim-codes.csv", Summary: "Export the claim codes of your race as CSV",
		Tags: []string{tag}, Description: "All bibs in one file, to print. A name that a spreadsheet would run as a formula is preceded by an apostrophe.", Errors: answers,
		Responses: map[string]*huma.Response{"200": {
			Description: "bib, name, code, with a header line.", Content: map[string]*huma.MediaType{"text/csv": {}},
		}},
	}, h.exportCodes)
}

// OfRace returns a part of the claims of the race of ctx, the newest first, and the
// cursor of the next part, empty after the last. An empty state stands for all.
func (s *Service) OfRace(ctx context.Context, state race.ClaimState, part server.Page) ([]RaceClaim, string, error) {
	out, err := s.calls.list(ctx, &raceClaimsInput{Page: part, State: state})
	if err != nil {
		return nil, "", err
	}
	return out.Body.Items, out.Body.NextCursor, nil
}

// OneOfRace returns a claim of the race of ctx, or race.ErrNotFound.
func (s *Service) OneOfRace(ctx context.Context, claimID string) (RaceClaim, error) {
	if !server.IsID(claimID) {
		return RaceClaim{}, race.ErrNotFound
	}
	// The list goes on below a position: this one is just above the claim.
	found, err := s.calls.Store.ClaimsOfRace(ctx, server.RaceFrom(ctx).ID, "", claimID+"~", 1)
	if err != nil {
		return RaceClaim{}, err
	}
	if len(found) == 0 || found[0].ID != claimID {
		return RaceClaim{}, race.ErrNotFound
	}
	shown, err := s.calls.shownToOrganizer(ctx, found)
	if err != nil {
		return RaceClaim{}, err
	}
	return shown[0], nil
}

// PlanApproval returns what Approve would lead to, and changes nothing.
func (s *Service) PlanApproval(ctx context.Context, claimID string) (maindb.Consequences, error) {
	out, err := s.calls.approve(ctx, &approvalInput{DecisionPath: DecisionPath{ClaimID: claimID}, Plan: true})
	if err != nil {
		return maindb.Consequences{}, err
	}
	return *out.Body.Consequences, nil
}

// Approve gives the result to the claimant.
func (s *Service) Approve(ctx context.Context, claimID string) error {
	_, err := s.calls.approve(ctx, &approvalInput{DecisionPath: DecisionPath{ClaimID: claimID}})
	return err
}

// Refuse refuses or revokes a claim. The runner sees the reason.
func (s *Service) Refuse(ctx context.Context, claimID, reason string) error {
	in := &refusalInput{DecisionPath: DecisionPath{ClaimID: claimID}}
	in.Body.Reason = reason
	if err := server.Valid(in.Body); err != nil {
		return err
	}
	_, err := s.calls.refuse(ctx, in)
	return err
}

// Codes returns a part of the claim codes of the race of ctx, in the order of entry, and
// the cursor of the next part, empty after the last.
func (s *Service) Codes(ctx context.Context, part server.Page) ([]BibCode, string, error) {
	out, err := s.calls.codes(ctx, &codesInput{Page: part})
	if err != nil {
		return nil, "", err
	}
	return out.Body.Items, out.Body.NextCursor, nil
}

// CodesCSV returns all claim codes of the race of ctx as a file.
func (s *Service) CodesCSV(ctx context.Context) ([]byte, error) {
	out, err := s.calls.exportCodes(ctx, nil)
	if err != nil {
		return nil, err
	}
	return out.Body, nil
}

type raceClaimsInput struct {
	server.Page
	RaceID string          `path:"race_id"`
	State  race.ClaimState `query:"state" enum:"invited,requested,accepted,withdrawn,refused" doc:"Only claims in this state."`
}

type raceClaimsOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         struct {
		Items      []RaceClaim `json:"items" nullable:"false" doc:"The newest first."`
		NextCursor string      `json:"next_cursor,omitempty"`
	}
}

// RaceClaim is a claim as those who run the race see it.
type RaceClaim struct {
	ClaimID          string          `json:"claim_id" format:"uuid"`
	Bib              string          `json:"bib"`
	Kind             race.ClaimKind  `json:"kind" enum:"invitation,code,birth_date"`
	State            race.ClaimState `json:"state" enum:"invited,requested,accepted,withdrawn,refused" doc:"requested: waits for your decision."`
	UserID           string          `json:"user_id,omitempty" format:"uuid" doc:"The claimant; missing while an invitation has not been answered."`
	Name             string          `json:"name,omitempty" doc:"The name in the claimant's account."`
	BirthDateMatches *bool           `json:"birth_date_matches,omitempty" doc:"Whether the birth date that the runner named was that of the start list at that time."`
	Contested        bool            `json:"contested" doc:"Another account had the result when it was claimed."`
	Reason           string          `json:"reason,omitempty" doc:"Why it was refused."`
	CreatedAt        time.Time       `json:"created_at"`
	ChangedAt        time.Time       `json:"changed_at"`
}

func (h handlers) list(ctx context.Context, in *raceClaimsInput) (*raceClaimsOutput, error) {
	var before string
	if err := in.Seek(&before); err != nil {
		return nil, err
	}
	found, err := h.Store.ClaimsOfRace(ctx, server.RaceFrom(ctx).ID, in.State, before, in.Limit+1)
	if err != nil {
		return nil, err
	}
	out := &raceClaimsOutput{CacheControl: "no-store"}
	found, out.Body.NextCursor = server.Cut(in.Page, found, func(last maindb.Claim) []any { return []any{last.ID} })
	out.Body.Items, err = h.shownToOrganizer(ctx, found)
	return out, err
}

// shownToOrganizer returns claims as those who run the race see them.
func (h handlers) shownToOrganizer(ctx context.Context, found []maindb.Claim) ([]RaceClaim, error) {
	var claimants []string
	for _, c := range found {
		if answered(c) {
			claimants = append(claimants, c.UserID)
		}
	}
	names, err := h.Runners.Runners(ctx, claimants)
	if err != nil {
		return nil, err
	}
	items := make([]RaceClaim, len(found))
	for i, c := range found {
		item := RaceClaim{
			ClaimID: c.ID, Bib: c.Bib, Kind: c.Kind, State: c.State, BirthDateMatches: c.BirthDateMatches,
			Contested: c.Contested, Reason: c.Reason, CreatedAt: c.CreatedAt, ChangedAt: c.ChangedAt,
		}
		if answered(c) {
			item.UserID, item.Name = c.UserID, names[c.UserID].Name
		} else if c.State == race.Declined { // would reveal that the login exists
			item.State, item.ChangedAt = race.Invited, c.CreatedAt
		}
		items[i] = item
	}
	return items, nil
}

// answered reports whether the runner of a claim has let the organizer know of them.
func answered(c maindb.Claim) bool { return c.UserID != "" && c.State != race.Declined }

// DecisionPath is embedded in the inputs of decisions. It is exported because huma
// ignores embedded types that are not.
type DecisionPath struct {
	RaceID  string `path:"race_id"`
	ClaimID string `path:"claim_id"`
}

type refusalInput struct {
	DecisionPath
	Body struct {
		Reason string `json:"reason" minLength:"1" maxLength:"500" example:"bib 1234 was worn by somebody else" doc:"Shown to the claimant."`
	}
}

type approvalInput struct {
	DecisionPath
	Plan bool `query:"plan" doc:"Show the consequences for places, podiums and points, and change nothing."`
}

func (h handlers) approve(ctx context.Context, in *approvalInput) (*stateOutput, error) {
	if !in.Plan {
		return h.decide(ctx, in.ClaimID, true, "")
	}
	if !server.IsID(in.ClaimID) {
		return nil, race.ErrNotFound
	}
	var claim maindb.Claim
	by := maindb.Change{By: server.CallerFrom(ctx).UserID}
	consequences, err := h.Store.Plan(func(planning *maindb.Store) (err error) {
		claim, _, err = planning.DecideClaim(ctx, server.RaceFrom(ctx).ID, in.ClaimID, true, by, h.claimant, userdb.NameStandIn)
		return err
	})
	if err != nil {
		return nil, err
	}
	out := stateOf(claim)
	out.Body.Consequences = &consequences
	return out, nil
}

func (h handlers) refuse(ctx context.Context, in *refusalInput) (*stateOutput, error) {
	reason := strings.TrimSpace(in.Body.Reason)
	if reason == "" {
		return nil, wrong("reason", "must say why, in 1 to 500 characters")
	}
	return h.decide(ctx, in.ClaimID, false, reason)
}

func (h handlers) decide(ctx context.Context, claimID string, approve bool, reason string) (*stateOutput, error) {
	if !server.IsID(claimID) {
		return nil, race.ErrNotFound
	}
	raceID, by := server.RaceFrom(ctx).ID, maindb.Change{By: server.CallerFrom(ctx).UserID, Reason: reason}
	claim, revised, err := h.Store.DecideClaim(ctx, raceID, claimID, approve, by, h.claimant, h.Runners.StandIn)
	return h.done(claim, revised, err)
}

// claimant returns what an entry takes from an account, nothing when its holder has
// left.
func (h handlers) claimant(ctx context.Context, userID string) (maindb.Entry, error) {
	known, err := h.Runners.Runners(ctx, []string{userID})
	if err != nil {
		return maindb.Entry{}, err
	}
	runner, exists := known[userID]
	if !exists {
		return maindb.Entry{}, nil
	}
	return maindb.Entry{UserID: userID, Sex: runner.Sex, BirthDate: runner.BirthDate}, nil
}

type codesInput struct {
	server.Page
	RaceID string `path:"race_id"`
}

// BibCode is what the runner of a bib claims the result with.
type BibCode struct {
	Bib  string `json:"bib"`
	Name string `json:"name,omitempty"`
	Code string `json:"code" example:"K7QF-2M9X-3TAB"`
}

type codesOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         struct {
		Items      []BibCode `json:"items" nullable:"false" doc:"In the order of entry."`
		NextCursor string    `json:"next_cursor,omitempty"`
	}
}

func (h handlers) codes(ctx context.Context, in *codesInput) (*codesOutput, error) {
	var after string
	if err := in.Seek(&after); err != nil {
		return nil, err
	}
	found, err := h.Store.ListParticipants(ctx, server.RaceFrom(ctx).ID, after, in.Limit+1)
	if err != nil {
		return nil, err
	}
	out := &codesOutput{CacheControl: "no-store"}
	found, out.Body.NextCursor = server.Cut(in.Page, found, func(last race.Participant) []any { return []any{last.ID} })
	out.Body.Items, err = h.codesOf(ctx, found)
	return out, err
}

// codesOf returns the codes of the entries that have a bib.
func (h handlers) codesOf(ctx context.Context, entries []race.Participant) ([]BibCode, error) {
	userIDs := make([]string, len(entries))
	for i, p := range entries {
		userIDs[i] = p.UserID
	}
	runners, err := h.Runners.Runners(ctx, userIDs)
	if err != nil {
		return nil, err
	}
	codes := []BibCode{}
	for _, p := range entries {
		if p.Bib != "" {
			codes = append(codes, BibCode{Bib: p.Bib, Name: runners[p.UserID].Name, Code: Code(h.Hash, p.RaceID, race.BibKey(p.Bib))})
		}
	}
	return codes, nil
}

type exportOutput struct {
	ContentType        string `header:"Content-Type"`
	ContentDisposition string `header:"Content-Disposition"`
	CacheControl       string `header:"Cache-Control"`
	Body               []byte
}

func (h handlers) exportCodes(ctx context.Context, _ *struct {
	RaceID string `path:"race_id"`
},
) (*exportOutput, error) {
	const pageSize = 5000
	body := bytes.NewBufferString("\ufeff") // without it Excel would read names in the system's own encoding
	writer := csv.NewWriter(body)
	_ = writer.Write([]string{"bib", "name", "code"}) // a buffer takes everything
	for after := ""; ; {
		entries, err := h.Store.ListParticipants(ctx, server.RaceFrom(ctx).ID, after, pageSize)
		if err != nil {
			return nil, err
		}
		codes, err := h.codesOf(ctx, entries)
		if err != nil {
			return nil, err
		}
		for _, c := range codes {
			_ = writer.Write([]string{c.Bib, server.SpreadsheetText(c.Name), c.Code})
		}
		if len(entries) < pageSize {
			break
		}
		after = entries[pageSize-1].ID
	}
	writer.Flush()
	return &exportOutput{
		ContentType: "text/csv; charset=utf-8", ContentDisposition: `attachment; filename="claim-codes.csv"`, CacheControl: "no-store", Body: body.Bytes(),
	}, nil
}
