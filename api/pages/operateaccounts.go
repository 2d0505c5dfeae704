package pages

import (
	"context"
	"errors"

	"github.com/mrmrthon/mrmrthon/api/ops"
	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// organizer is an organizer for whom nobody vouches.
type organizer struct {
	maindb.UnverifiedOrganizer
	name string
}

func (s *site) accountsForm(ctx context.Context, v *visit) (page, error) {
	found, err := s.Operations.UnverifiedOrganizers(ctx, rowsAtOnce)
	if err != nil {
		return page{}, err
	}
	ids := make([]string, len(found))
	for i, one := range found {
		ids[i] = one.UserID
	}
	people, err := s.Accounts.Runners(ctx, ids)
	if err != nil {
		return page{}, err
	}
	list := make([]organizer, len(found))
	for i, one := range found {
		list[i] = organizer{one, people[one.UserID].Name}
	}
	return page{title: v.T("operate.accounts"), body: accountsBody(v, list)}, nil
}

// findAccount leads to an account by its login, which is in no address, or its ID.
func (s *site) findAccount(ctx context.Context, v *visit) (page, error) {
	asked := v.form.get("login_id")
	if server.IsID(asked) { //nolint:nestif // two ways to name an account
		if _, _, err := s.Operations.Account(ctx, asked); err == nil {
			return page{}, &redirect{to: v.link(accountsPath + "/" + asked)}
		} else if !errors.Is(err, race.ErrNotFound) {
			return page{}, err
		}
	} else if login, err := auth.ParseLogin(asked); err == nil {
		found, err := s.Accounts.AccountByLogin(ctx, login)
		if err == nil {
			return page{}, &redirect{to: v.link(accountsPath + "/" + found.UserID)}
		}
		if !errors.Is(err, race.ErrNotFound) {
			return page{}, err
		}
	}
	v.blame("login_id", v.T("operate.wrong.login"))
	return s.accountsForm(ctx, v)
}

// accountView is an account as operators see it.
type accountView struct {
	userdb.Account
	verified bool
	own      bool // the reader's
}

func (s *site) account(ctx context.Context, v *visit) (page, error) {
	account, verified, err := s.Operations.Account(ctx, v.param("user_id"))
	if err != nil {
		return page{}, err
	}
	view := accountView{Account: account, verified: verified, own: account.UserID == v.caller.UserID}
	return page{title: v.T("operate.account"), body: accountBody(v, view)}, nil
}

// onAccount is something that is done to an account.
type onAccount func(o *ops.Service, ctx context.Context, userID, reason string) error

var accountActions = map[string]onAccount{
	"suspend": (*ops.Service).Suspend, "restore": (*ops.Service).Restore, "remove-passkeys": (*ops.Service).RemovePasskeys,
	"verify": (*ops.Service).Verify, "unverify": (*ops.Service).Unverify,
}

func (s *site) confirmAccount(name string, do onAccount) func(context.Context, *visit) (confirmation, error) {
	return func(ctx context.Context, v *visit) (confirmation, error) {
		account, _, err := s.Operations.Account(ctx, v.param("user_id"))
		if err != nil {
			return confirmation{}, err
		}
		return confirmation{
			title: v.T("operate.do." + name), button: v.T("operate.do." + name), back: accountsPath + "/" + account.UserID,
			does: []string{v.T("operate.does." + name)}, danger: name == "suspend" || name == "remove-passkeys",
			facts: [][2]string{
				{v.T("field.name"), account.Name}, {v.T("field.login_id"), account.LoginID}, {v.T("operate.kind"), v.word("operate.type", string(account.Type))},
			},
			do: func(ctx context.Context, reason string) (string, error) {
				return name, do(s.Operations, ctx, account.UserID, reason)
			},
		}, nil
	}
}
