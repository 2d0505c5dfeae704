package stack

import "fmt"

// PID is the process of a part that runs, for who measures it.
func (s *Stack) PID(part Part) (int, error) {
	if !s.Has(part) {
		return 0, errNotPart(part)
	}
	p := s.keepers[part].current()
	if p == nil || !p.alive() {
		return 0, fmt.Errorf("%s does not run", part)
	}
	return p.cmd.Process.Pid, nil
}

// Owners are the settings by which the accounts that own the databases log in,
// in the form of Env: they may make and drop tables, which the programs may not.
func (s *Stack) Owners() map[string]string {
	return map[string]string{
		"MAIN_DB_ADDR": s.MySQLAddr(), "MAIN_DB_NAME": mainDB,
		"MAIN_DB_USER": mainDDL, "MAIN_DB_PASSWORD": s.secrets.MainDDL,
		"USER_DB_ADDR": s.MySQLAddr(), "USER_DB_NAME": userDB,
		"USER_DB_USER": userDDL, "USER_DB_PASSWORD": s.secrets.UserDDL,
	}
}
