package races

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// loginHashes returns the hashes by which admissions find accounts, by user ID.
type loginHashes func(ctx context.Context, userIDs []string) (map[string]string, error)

func loginHashesOf(runners *userdb.Accounts, hash func(login string) string) loginHashes {
	return func(ctx context.Context, userIDs []string) (map[string]string, error) {
		accounts, err := runners.LoginsOf(ctx, userIDs)
		if err != nil {
			return nil, err
		}
		hashes := make(map[string]string, len(accounts))
		for _, a := range accounts {
			if a.OwnsLogin() {
				hashes[a.UserID] = hash(a.LoginID)
			}
		}
		return hashes, nil
	}
}

// admissions let runners enter pools whose standard they do not meet. As with
// invitations, whether a login exists is never looked up.
type admissions struct {
	store     *maindb.Store
	loginHash func(login string) string
}

// NewAdmission names who is admitted to which pool.
type NewAdmission struct {
	LoginID string `json:"login_id" maxLength:"400" example:"minji@example.org"`
	Pool    string `json:"pool" minLength:"1" maxLength:"50" example:"Group A" doc:"The name of a pool with a standard."`
	Reason  string `json:"reason" minLength:"1" maxLength:"500" example:"Min-ji Kim, national team" doc:"The login is not kept: say who it is, for those who run the race with you."`
}

// AdmissionBody is an admission as the race's staff see it.
type AdmissionBody struct {
	AdmissionID string    `json:"admission_id"`
	Pool        string    `json:"pool" doc:"Empty when the race has it no more."`
	Reason      string    `json:"reason"`
	AdmittedBy  string    `json:"admitted_by" doc:"The account that admitted them."`
	AdmittedAt  time.Time `json:"admitted_at"`
}

type newAdmissionInput struct {
	RacePath
	Body NewAdmission
}

type admissionPath struct {
	RacePath
	AdmissionID string `path:"admission_id"`
}

type admissionsInput struct {
	RacePath
	server.Page
}

type admissionOutput struct {
	Body AdmissionBody
}

type admissionsOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         struct {
		Items      []AdmissionBody `json:"items" nullable:"false" doc:"In the order in which they were made."`
		NextCursor string          `json:"next_cursor,omitempty"`
	}
}

func (a admissions) register(api huma.API) {
	const path = "/v1/races/{race_id}/admissions"
	refusals := []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusUnprocessableEntity}
	server.Register(api, huma.Operation{
		OperationID: "admit-runner", Method: http.MethodPost, Path: path, DefaultStatus: http.StatusCreated, MaxBodyBytes: maxBody,
		Summary: "Admit a runner to a pool with a standard", Tags: []string{entriesTag}, Errors: append(refusals, http.StatusConflict),
		Description: "They can enter the pool although they have no result that meets its standard. They still have to ask for a place, and get it like anybody. " +
			"The answer is the same whether there is such a login or not. A login that is an e-mail address counts once its owner has confirmed the address. A login that is admitted already keeps its admission.",
	}, a.admit)
	server.Register(api, huma.Operation{
		OperationID: "list-admissions", Method: http.MethodGet, Path: path,
		Summary: "List whom you admit to pools with a standard", Tags: []string{entriesTag}, Errors: refusals,
	}, a.list)
	server.Register(api, huma.Operation{
		OperationID: "end-admission", Method: http.MethodDelete, Path: path + "/{admission_id}",
		Summary: "Take an admission back", Tags: []string{entriesTag}, Errors: refusals[:3],
		Description: "A runner who has already entered keeps their place. Repeating it changes nothing.",
	}, a.end)
}

func (a admissions) admit(ctx context.Context, in *newAdmissionInput) (*admissionOutput, error) {
	login, err := auth.ParseLogin(in.Body.LoginID)
	if err != nil {
		return nil, &race.InvalidError{Fields: []race.FieldError{{Field: "login_id", Message: err.Error()}}}
	}
	admitted, err := a.store.Admit(ctx, in.RaceID, server.ResourceID(ctx), in.Body.Pool, a.loginHash(login), in.Body.Reason)
	if err != nil {
		return nil, err
	}
	return &admissionOutput{Body: admissionOf(admitted)}, nil
}

func admissionOf(a maindb.Admission) AdmissionBody {
	return AdmissionBody{AdmissionID: a.ID, Pool: a.Pool, Reason: a.Reason, AdmittedBy: a.By, AdmittedAt: a.At}
}

func (a admissions) list(ctx context.Context, in *admissionsInput) (*admissionsOutput, error) {
	var after string
	if err := in.Seek(&after); err != nil {
		return nil, err
	}
	found, err := a.store.Admissions(ctx, server.RaceFrom(ctx), after, in.Limit+1)
	if err != nil {
		return nil, err
	}
	out := &admissionsOutput{CacheControl: "no-store"}
	found, out.Body.NextCursor = server.Cut(in.Page, found, func(last maindb.Admission) []any { return []any{last.ID} })
	out.Body.Items = make([]AdmissionBody, len(found))
	for i, one := range found {
		out.Body.Items[i] = admissionOf(one)
	}
	return out, nil
}

func (a admissions) end(ctx context.Context, in *admissionPath) (*struct{}, error) {
	return nil, a.store.EndAdmission(ctx, server.RaceFrom(ctx), in.AdmissionID)
}

// Admit admits a runner to a pool of the race of ctx.
func (s *Service) Admit(ctx context.Context, who NewAdmission) error {
	if err := server.Valid(who); err != nil {
		return err
	}
	_, err := s.admissions.admit(ctx, &newAdmissionInput{RacePath: RacePath{RaceID: server.RaceFrom(ctx).ID}, Body: who})
	return err
}

// Admissions returns a part of the admissions to pools of the race of ctx, and the cursor
// of the next.
func (s *Service) Admissions(ctx context.Context, part server.Page) ([]AdmissionBody, string, error) {
	out, err := s.admissions.list(ctx, &admissionsInput{Page: part})
	if err != nil {
		return nil, "", err
	}
	return out.Body.Items, out.Body.NextCursor, nil
}

// EndAdmission takes an admission to a pool of the race of ctx back.
func (s *Service) EndAdmission(ctx context.Context, admissionID string) error {
	return s.admissions.store.EndAdmission(ctx, server.RaceFrom(ctx), admissionID)
}
