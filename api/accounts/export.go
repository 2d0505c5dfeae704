package accounts

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// tables are rows by the name of their table.
type tables = map[string][]map[string]any

// export hands people what is kept about them.
type export struct {
	store   *userdb.Accounts
	records func(ctx context.Context, userID string) (tables, error)
	now     func() time.Time
}

type exportOutput struct {
	CacheControl       string `header:"Cache-Control"`
	ContentDisposition string `header:"Content-Disposition"`
	Body               struct {
		ExportedAt time.Time `json:"exported_at"`
		Account    tables    `json:"account" doc:"What user_db keeps: the account, sessions, mails, points. Rows by table, times in UTC."`
		Races      tables    `json:"races" doc:"What main_db keeps: entries, results, claims, unofficial records, changes and so on."`
	}
}

func (e export) register(api huma.API) {
	server.Register(api, huma.Operation{
		OperationID: "export-me", Method: http.MethodGet, Path: "/v1/me/export",
		Summary: "Export everything that is kept about you", Tags: []string{tag},
		Description: "The rows of both databases that are about your account, as they are stored, without hashes of secrets.",
		Errors:      []int{http.StatusUnauthorized},
	}, e.handle)
}

func (e export) handle(ctx context.Context, _ *struct{}) (*exportOutput, error) {
	userID := server.CallerFrom(ctx).UserID
	if _, err := e.store.Account(ctx, userID); err != nil {
		return nil, gone(err)
	}
	out := &exportOutput{CacheControl: noStore, ContentDisposition: `attachment; filename="mrmrthon.json"`}
	var err error
	if out.Body.Account, err = e.store.Export(ctx, userID); err != nil {
		return nil, err
	}
	out.Body.Races, err = e.records(ctx, userID)
	out.Body.ExportedAt = e.now().UTC()
	return out, err
}
