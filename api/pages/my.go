package pages

import (
	"context"
	"net/http"
)

// myPages adds the pages of somebody about themselves.
func (s *site) myPages() {
	s.visit(http.MethodGet, "/my", s.overview)
}

func (s *site) overview(ctx context.Context, v *visit) (page, error) {
	account, err := s.Accounts.Account(ctx, v.caller.UserID)
	if err != nil {
		return page{}, err
	}
	return page{title: v.T("nav.my"), body: overviewBody(v, account)}, nil
}
