// Package auth tells who a caller is: passwords and how often they may be
// tried, access tokens and the keys that sign them, refresh tokens. Accounts
// themselves are kept in userdb; what a caller may do is decided in the API.
package auth
