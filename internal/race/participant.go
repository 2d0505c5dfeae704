package race

import (
	"errors"
	"strings"
	"unicode/utf8"
)

// EntryStatus is the state of a participant's entry.
type EntryStatus string

// An entry is entered until it is cancelled. In a race with entry settings it may also
// wait in line, be offered a place, and let the offer go by.
const (
	Entered      EntryStatus = "entered"
	Waiting      EntryStatus = "waiting"
	Offered      EntryStatus = "offered"
	Cancelled    EntryStatus = "cancelled" // by the runner
	RemovedEntry EntryStatus = "removed"   // by the organizer

	OfferDeclined EntryStatus = "declined" // by the runner
	OfferExpired  EntryStatus = "expired"

	Registered EntryStatus = "registered" // for a draw that is still to come
	NotDrawn   EntryStatus = "not_drawn"  // the draw gave no place, and the race has no waiting list

	Transferred EntryStatus = "transferred" // the place belongs to another runner now
	Deferred    EntryStatus = "deferred"    // the runner has a place in the next edition instead
)

// Left reports whether somebody with that status has no place and waits for none. They
// may join again, at the end of the line, unless the organizer removed them or they
// deferred.
func (s EntryStatus) Left() bool {
	switch s {
	case OfferDeclined, OfferExpired, Cancelled, RemovedEntry, NotDrawn, Transferred, Deferred:
		return true
	case Entered, Waiting, Offered, Registered:
	}
	return false
}

// EntryOrigin says how an entry came to be.
type EntryOrigin string

// An entry is asked for, and then has to meet the standard of its pool, unless somebody
// has decided otherwise.
const (
	EnteredByRequest   EntryOrigin = ""
	EnteredByAdmission EntryOrigin = "admitted" // asked for, by somebody whom the organizer admits to the pool
	EnteredByHand      EntryOrigin = "by_hand"  // entered by the organizer
	EnteredByDeferral  EntryOrigin = "deferred" // moved here from an earlier edition
)

// TransferState says how far the transfer of a place to another runner has come.
type TransferState string

// An offered place is accepted by whoever has its code, and done when the giver has
// confirmed them.
const (
	TransferOffered   TransferState = "offered"
	TransferAccepted  TransferState = "accepted"
	TransferDone      TransferState = "done"
	TransferWithdrawn TransferState = "withdrawn" // by the giver, or whoever runs the race
	TransferDeclined  TransferState = "declined"
	TransferExpired   TransferState = "expired"
	TransferEnded     TransferState = "ended" // the giver has left the race
)

// Open reports whether the transfer can still take place.
func (s TransferState) Open() bool { return s == TransferOffered || s == TransferAccepted }

// Participant is somebody's entry in a race. It holds no name: names belong to
// the account.
type Participant struct {
	ID     string
	RaceID string
	UserID string
	Bib    string // empty until one is assigned
	Sex    Sex
	Age    int // on race day, in whole years, or UnknownAge
	Field  Field
	Team   string // empty: none
	Status EntryStatus
}

// MaxBibLength is the most characters that a bib may have.
const MaxBibLength = 16

// CheckBib reports what is wrong with a bib as an organizer wrote it.
func CheckBib(bib string) error {
	if bib == "" || len(bib) > MaxBibLength {
		return errors.New("must have 1 to 16 characters")
	}
	for i, c := range []byte(bib) {
		letter := c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9'
		if !letter && (i == 0 || !strings.ContainsRune("-._/ ", rune(c))) {
			return errors.New("must be letters and digits, for example 1234 or W16")
		}
	}
	return nil
}

// BibKey returns the form in which bibs are compared: upper case and without
// leading zeros, so that 0042 is 42 and w16 is W16.
func BibKey(bib string) string {
	key := strings.TrimLeft(strings.ToUpper(strings.TrimSpace(bib)), "0")
	if key == "" && strings.Contains(bib, "0") {
		return "0"
	}
	return key
}

// UnknownAge means that nobody has stated an age on race day.
const UnknownAge = -1

// MaxTeamName is the most characters that the name of a team may have.
const MaxTeamName = 100

// ParseTeam reads the name of a team; the empty string is none.
func ParseTeam(s string) (string, error) {
	team, err := Line(strings.Join(strings.Fields(s), " "))
	if err != nil {
		return "", err
	}
	team = Visible(team)
	if utf8.RuneCountInString(team) > MaxTeamName {
		return "", errors.New("must have at most 100 characters")
	}
	return team, nil
}

// MaxAge is the oldest age on race day that a start list may hold.
const MaxAge = 120

// Sex is the sex category in which a participant is entered. The empty value is
// unknown.
type Sex string

// The sex categories. NonBinary is ranked overall and in divisions that name
// it; the rules that need a table for men or women do not cover it.
const (
	Male      Sex = "M"
	Female    Sex = "F"
	NonBinary Sex = "X"
)

// ParseSex reads a category as start lists write it: M, F, X, or the words.
func ParseSex(s string) (Sex, error) {
	switch strings.ToLower(strings.TrimSpace(s)) {
	case "":
		return "", nil
	case "m", "male", "man", "men":
		return Male, nil
	case "f", "w", "female", "woman", "women":
		return Female, nil
	case "x", "nb", "non-binary", "nonbinary":
		return NonBinary, nil
	}
	return "", errors.New("must be M, F or X")
}

// Field is the competition within a race that a participant is in; each is ranked
// separately.
type Field string

// The fields of a race.
const (
	Runner     Field = "runner"
	Wheelchair Field = "wheelchair"
	Handcycle  Field = "handcycle"
)

// ParseField reads a field; the empty string is Runner.
func ParseField(s string) (Field, error) {
	switch strings.ToLower(strings.TrimSpace(s)) {
	case "", "runner", "run":
		return Runner, nil
	case "wheelchair", "push rim wheelchair", "wc":
		return Wheelchair, nil
	case "handcycle", "hand cycle", "hc":
		return Handcycle, nil
	}
	return "", errors.New("must be runner, wheelchair or handcycle")
}

// CheckAge reports what is wrong with an age on race day in whole years.
func CheckAge(age int) error {
	if age != UnknownAge && (age < 0 || age > MaxAge) {
		return errors.New("must be from 0 to 120")
	}
	return nil
}

// ClaimKind is how the result of a bib and an account are to meet.
type ClaimKind string

// The kinds of claims.
const (
	Invitation ClaimKind = "invitation" // a start list names the account's login
	ByCode     ClaimKind = "code"       // the organizer gave the runner the bib's claim code
	ByBirth    ClaimKind = "birth_date" // the runner names bib and birth date, the organizer decides
)

// ClaimState is what became of a claim.
type ClaimState string

// The states of a claim. The result is the account's while its claim is accepted.
const (
	Invited   ClaimState = "invited"   // waits for the runner
	Requested ClaimState = "requested" // waits for the organizer
	Accepted  ClaimState = "accepted"
	Declined  ClaimState = "declined"  // by the runner, who was invited
	Withdrawn ClaimState = "withdrawn" // by the runner, who had asked for it
	Refused   ClaimState = "refused"   // by the organizer
)
