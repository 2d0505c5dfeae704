package pages

import (
	"context"
	"time"

	"github.com/mrmrthon/mrmrthon/api/claims"
	"github.com/mrmrthon/mrmrthon/api/disputes"
	"github.com/mrmrthon/mrmrthon/api/keys"
	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/api/staff"
	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// peoplePages adds the pages about who works on a race, and what its runners ask for.
func (s *site) peoplePages(get, post func(path string, act action)) {
	get(ofRace+"/staff", s.staffPage)
	post(ofRace+"/staff", s.inviteStaff)
	post(ofRace+"/staff/{user_id}", s.changeStaff)
	post(ofRace+"/staff/invitations/{invitation_id}/withdraw", s.withdrawInvitation)
	get(ofRace+"/hand-over", s.handOverForm)
	post(ofRace+"/hand-over", s.handOver)
	get(ofRace+"/claims", s.raceClaims)
	get(ofRace+"/claims/{claim_id}", s.decideClaimForm)
	post(ofRace+"/claims/{claim_id}", s.decideClaim)
	get(ofRace+"/claim-codes", s.claimCodes)
	get(ofRace+"/claim-codes.csv", s.claimCodesFile)
	get(ofRace+"/disputes", s.raceDisputes)
	get(ofRace+"/disputes/{dispute_id}", s.answerDisputeForm)
	post(ofRace+"/disputes/{dispute_id}", s.answerDispute)
	get(ofRace+"/keys", s.keysPage)
	post(ofRace+"/keys", s.createKey)
	post(ofRace+"/keys/{key_id}/revoke", s.revokeRaceKey)
}

type staffView struct {
	race.Race
	role        race.Role
	owner       string // name
	members     []staff.Member
	invitations []staff.OpenInvitation
}

func (v *visit) roles() []option {
	return []option{
		{string(race.Timing), v.T("role.timing.long")}, {string(race.Editor), v.T("role.editor.long")}, {string(race.Viewer), v.T("role.viewer.long")},
	}
}

// staffPage lists who works on a race; its owner invites others there.
func (s *site) staffPage(ctx context.Context, v *visit) (page, error) {
	view := staffView{Race: server.RaceFrom(ctx), role: server.RoleFrom(ctx)}
	var err error
	if view.members, view.invitations, err = s.Staff.Of(ctx); err != nil {
		return page{}, err
	}
	known, err := s.Accounts.Runners(ctx, []string{view.OrganizerID})
	if err != nil {
		return page{}, err
	}
	view.owner = known[view.OrganizerID].Name
	return page{title: v.T("staff.title"), body: staffBody(v, view)}, nil
}

func (s *site) inviteStaff(ctx context.Context, v *visit) (page, error) {
	err := s.Staff.Invite(ctx, staff.NewInvitation{LoginID: v.form.get("login_id"), Role: race.Role(v.form.get("role")), Reason: v.form.get("reason")})
	if v.refused(err) {
		return s.staffPage(ctx, v)
	}
	if err != nil {
		return page{}, err
	}
	return v.done(organizedPath(v.raceID)+"/staff", "staff-invited")
}

// changeStaff gives a member another role, or takes them off the staff.
func (s *site) changeStaff(ctx context.Context, v *visit) (page, error) {
	userID := v.param("user_id")
	if v.form.get("do") != "remove" {
		if server.RoleFrom(ctx) != race.Owner {
			return page{}, race.ErrNotFound
		}
		err := s.Staff.ChangeRole(ctx, userID, race.Role(v.form.get("role")))
		if isNotFound(err) {
			return v.done(organizedPath(v.raceID)+"/staff", "staff-gone")
		}
		if err != nil {
			return page{}, err
		}
		return v.done(organizedPath(v.raceID)+"/staff", "role-changed")
	}
	if err := s.Staff.Remove(ctx, userID); err != nil && !isNotFound(err) { // not found: pressed twice
		return page{}, err
	}
	if userID == v.caller.UserID {
		return v.done(organizePath, "staff-left")
	}
	return v.done(organizedPath(v.raceID)+"/staff", "staff-removed")
}

func (s *site) withdrawInvitation(ctx context.Context, v *visit) (page, error) {
	said := "invitation-withdrawn"
	if err := s.Staff.Withdraw(ctx, v.param("invitation_id")); isNotFound(err) { // pressed twice, or accepted meanwhile
		said = "invitation-ended"
	} else if err != nil {
		return page{}, err
	}
	return v.done(organizedPath(v.raceID)+"/staff", said)
}

func (s *site) handOverForm(ctx context.Context, v *visit) (page, error) {
	return page{title: v.T("handover.title"), body: handOverBody(v, server.RaceFrom(ctx))}, nil
}

func (s *site) handOver(ctx context.Context, v *visit) (page, error) {
	if v.form.get("reason") == "" {
		v.blame("reason", v.T("wrong.reason"))
		return s.handOverForm(ctx, v)
	}
	err := s.Staff.HandOver(ctx, staff.NewOwner{LoginID: v.form.get("login_id"), Reason: v.form.get("reason")})
	if v.refused(err) {
		return s.handOverForm(ctx, v)
	}
	if err != nil {
		return page{}, err
	}
	return v.done(organizedPath(v.raceID)+"/staff", "race-offered")
}

const listedPerPage = 50

// claimStates are the states by which the list of claims is filtered.
var claimStates = []string{string(race.Requested), string(race.Accepted), string(race.Invited), string(race.Refused), string(race.Withdrawn)}

func (s *site) raceClaims(ctx context.Context, v *visit) (page, error) {
	state, err := v.oneOf("state", claimStates...)
	if err != nil {
		return page{}, err
	}
	found, cursor, err := s.Claims.OfRace(ctx, race.ClaimState(state), v.part(listedPerPage))
	if err != nil {
		return page{}, err
	}
	return page{title: v.T("raceclaims.title"), body: claimsBody(v, server.RaceFrom(ctx), found, state, v.next(cursor))}, nil
}

type claimView struct {
	race.Race
	claims.RaceClaim
	leadsTo *consequencesView // what approving it does; nil when it cannot be approved
}

// decideClaimForm shows a claim and what its approval would lead to.
func (s *site) decideClaimForm(ctx context.Context, v *visit) (page, error) {
	view := claimView{Race: server.RaceFrom(ctx)}
	var err error
	if view.RaceClaim, err = s.Claims.OneOfRace(ctx, v.param("claim_id")); err != nil {
		return page{}, err
	}
	if view.State == race.Requested {
		planned, err := s.Claims.PlanApproval(ctx, view.ClaimID)
		if err == nil {
			view.leadsTo, err = s.consequencesOf(ctx, v, planned)
		}
		if err != nil && !v.refused(err) {
			return page{}, err
		}
	}
	return page{title: v.T("raceclaim.of", "Bib", view.Bib), body: decideClaimBody(v, view)}, nil
}

func (s *site) decideClaim(ctx context.Context, v *visit) (page, error) {
	said, claimID := "claim-approved", v.param("claim_id")
	var err error
	if v.form.get("do") == "approve" {
		err = s.Claims.Approve(ctx, claimID)
	} else {
		if v.form.get("reason") == "" {
			v.blame("reason", v.T("wrong.reason"))
			return s.decideClaimForm(ctx, v)
		}
		said, err = "claim-refused", s.Claims.Refuse(ctx, claimID, v.form.get("reason"))
	}
	if v.refused(err) {
		return s.decideClaimForm(ctx, v)
	}
	if err != nil {
		return page{}, err
	}
	return v.done(organizedPath(v.raceID)+"/claims", said)
}

// codesPerPage is how many slips there are to print at once.
const codesPerPage = 500

func (s *site) claimCodes(ctx context.Context, v *visit) (page, error) {
	found, cursor, err := s.Claims.Codes(ctx, v.part(codesPerPage))
	if err != nil {
		return page{}, err
	}
	return page{title: v.T("codes.title"), body: codesBody(v, server.RaceFrom(ctx), found, v.next(cursor))}, nil
}

func (s *site) claimCodesFile(ctx context.Context, _ *visit) (page, error) {
	file, err := s.Claims.CodesCSV(ctx)
	if err != nil {
		return page{}, err
	}
	return page{}, &reply{contentType: "text/csv; charset=utf-8", file: "claim-codes.csv", body: file}
}

var disputeStates = []string{
	string(race.DisputeOpen), string(race.DisputeUpheld), string(race.DisputeRejected), string(race.DisputeWithdrawn),
}

func (s *site) raceDisputes(ctx context.Context, v *visit) (page, error) {
	state, err := v.oneOf("state", disputeStates...)
	if err != nil {
		return page{}, err
	}
	found, cursor, err := s.Disputes.OfRace(ctx, race.DisputeState(state), v.part(listedPerPage))
	if err != nil {
		return page{}, err
	}
	return page{title: v.T("racedisputes.title"), body: disputesBody(v, server.RaceFrom(ctx), found, state, v.next(cursor))}, nil
}

type disputeView struct {
	race.Race
	disputes.Dispute
	record race.Record
	may    bool // the reader decides
}

// corrected reports whether the record has changed since it was disputed.
func (d disputeView) corrected() bool { return d.record.Revision > d.Revision }

// answerDisputeForm shows a dispute beside the record, and takes the decision.
func (s *site) answerDisputeForm(ctx context.Context, v *visit) (page, error) {
	view := disputeView{Race: server.RaceFrom(ctx), may: server.RoleFrom(ctx).Includes(race.Timing)}
	var err error
	if view.Dispute, err = s.Disputes.OneOfRace(ctx, v.param("dispute_id")); err != nil {
		return page{}, err
	}
	found, err := s.Races.RecordsByID(ctx, view.ID, []string{view.RecordID})
	if err != nil {
		return page{}, err
	}
	view.record = found[view.RecordID]
	return page{title: v.T("racedispute.of", "Bib", view.Bib), body: decideDisputeBody(v, view)}, nil
}

func (s *site) answerDispute(ctx context.Context, v *visit) (page, error) {
	if v.form.get("reason") == "" {
		v.blame("reason", v.T("wrong.reason"))
		return s.answerDisputeForm(ctx, v)
	}
	err := s.Disputes.Answer(ctx, v.param("dispute_id"), disputes.Answer{
		Decision: race.DisputeState(v.form.get("decision")), Reason: v.form.get("reason"), PrivateNote: v.form.get("private_note"),
	})
	if v.refused(err) {
		return s.answerDisputeForm(ctx, v)
	}
	if err != nil {
		return page{}, err
	}
	return v.done(organizedPath(v.raceID)+"/disputes", "dispute-answered")
}

type keysView struct {
	race.Race
	keys   []keys.ShownKey
	secret string // of the key that was just made
}

func (v *visit) keyScopes() []option {
	return []option{
		{string(auth.ScopeTiming), v.T("scope.timing")}, {string(auth.ScopeRead), v.T("scope.read")}, {string(auth.ScopeAll), v.T("scope.all")},
	}
}

func (s *site) keysPage(ctx context.Context, v *visit) (page, error) {
	return s.keysWith(ctx, v, "")
}

func (s *site) keysWith(ctx context.Context, v *visit, secret string) (page, error) {
	found, err := s.APIKeys.OfRace(ctx)
	if err != nil {
		return page{}, err
	}
	return page{title: v.T("racekeys.title"), body: keysBody(v, keysView{Race: server.RaceFrom(ctx), keys: found, secret: secret}), module: "organize.js"}, nil
}

// createKey shows the secret of a new key in its answer, and never again.
func (s *site) createKey(ctx context.Context, v *visit) (page, error) {
	in := keys.NewKey{Name: v.form.get("name"), Scope: auth.Scope(v.form.get("scope"))}
	if day := v.form.get("expires_at"); day != "" {
		date, err := race.ParseDate(day)
		if err != nil {
			v.blame("expires_at", v.says(err.Error()))
			return s.keysPage(ctx, v)
		}
		in.ExpiresAt = new(date.Midnight().Add(24 * time.Hour)) // the day still counts
	}
	_, secret, err := s.APIKeys.CreateOfRace(ctx, in)
	if v.refused(err) {
		return s.keysPage(ctx, v)
	}
	if err != nil {
		return page{}, err
	}
	v.form = &form{values: map[string][]string{}, wrong: map[string]string{}}
	return s.keysWith(ctx, v, secret)
}

func (s *site) revokeRaceKey(ctx context.Context, v *visit) (page, error) {
	if err := s.APIKeys.RevokeOfRace(ctx, v.param("key_id")); err != nil {
		return page{}, err
	}
	return v.done(organizedPath(v.raceID)+"/keys", "racekey-revoked")
}
