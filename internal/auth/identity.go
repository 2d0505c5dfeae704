package auth

// UserType is the role of an account.
type UserType string

// The roles. Runners and organizers sign up; an operator is made by a command
// of the API program, never by sign-up.
const (
	Runner    UserType = "runner"
	Organizer UserType = "organizer"
	Operator  UserType = "operator"
)

// Known reports whether t is one of the roles.
func (t UserType) Known() bool { return t == Runner || t == Organizer || t == Operator }

// Identity is who a verified access token was issued to.
type Identity struct {
	UserID  string
	Type    UserType
	Session string // the family of refresh tokens it came with: one login on one device
}
