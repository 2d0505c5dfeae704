package mail

import (
	"fmt"
	"strings"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// Languages are the languages that mails are written in.
func Languages() []string { return []string{"en", "ko"} }

// LinkPath is the page that links in mails lead to.
const LinkPath = "/v1/users/link"

// words are what a mail about an account says in one language.
type words struct {
	subject string
	body    string // paragraphs; %s: the detail in parentheses, where there is one
	button  string // empty: there is nothing to do
	path    string // where the button leads, in the reader's language; empty: it uses the link of the mail
}

// What mails about accounts lead to.
const (
	toRecovery = "/account/recover"
	toSessions = "/my/sessions"
	toPasskeys = "/my/passkeys"
	toKeys     = "/my/keys"
)

// texts holds every kind of mail about an account in every language. No text names
// anybody: whoever reads a mailbox by mistake learns nothing about a person.
var texts = map[string]map[userdb.MailKind]words{
	"en": {
		userdb.ConfirmEmail:             {"Confirm your e-mail address", "Somebody, probably you, gave this address for a Mrmrthon account. Confirm within 24 hours that it is yours.\n\nIf it was not you, ignore this mail: the address will not be used.", "Confirm the address", ""},
		userdb.ChangeLogin:              {"Confirm your new login", "A new login was requested for your Mrmrthon account. Confirm it within 24 hours.\n\nIf it was not you, do not confirm it, and change your password.", "Change the login", ""},
		userdb.Recover:                  {"Choose a new password", "Somebody, probably you, wants to recover your Mrmrthon account. Choose a new password within an hour.\n\nIf it was not you, ignore this mail: nothing has changed.", "Choose a password", ""},
		userdb.PasswordChanged:          {"Your password was changed", "The password of your Mrmrthon account was changed, and all other sessions were ended.\n\nIf it was not you, recover your account now.", "Recover the account", toRecovery},
		userdb.Recovered:                {"Your account was recovered", "The password of your Mrmrthon account was reset with a link sent to this address. All sessions were ended, all API keys revoked and all passkeys removed: add your own again.\n\nIf it was not you, somebody else is reading this mailbox: secure it first, then recover your account.", "Add your passkeys", toPasskeys},
		userdb.RecoveredKeepingPasskeys: {"Your account was recovered", "The password of your Mrmrthon account was reset with a link sent to this address. All sessions were ended and all API keys revoked.\n\nPasskeys were kept, because accounts like yours need one; these are there, by the day on which they were added%s. Remove those that you do not recognise, or write to the operators of the service if none is yours.\n\nIf it was not you, somebody else is reading this mailbox: secure it first, then recover your account.", "Check your passkeys", toPasskeys},
		userdb.EmailChanged:             {"Your e-mail address was changed", "Your Mrmrthon account now has a different e-mail address, and this one is no longer used.\n\nIf it was not you, write to the operators of the service.", "", ""},
		userdb.LoginChanged:             {"Your login was changed", "The login of your Mrmrthon account was changed.\n\nIf it was not you, recover your account now.", "Recover the account", toRecovery},
		userdb.NewDevice:                {"New login to your account", "Somebody logged in to your Mrmrthon account from a new device%s.\n\nIf it was not you, end that session and change your password.", "See your sessions", toSessions},
		userdb.PasskeyAdded:             {"A passkey was added", "A passkey was added to your Mrmrthon account.\n\nIf it was not you, remove it and change your password.", "See your passkeys", toPasskeys},
		userdb.PasskeyRemoved:           {"A passkey was removed", "A passkey was removed from your Mrmrthon account.\n\nIf it was not you, change your password.", "See your passkeys", toPasskeys},
		userdb.PasskeysRemoved:          {"Your passkeys were removed", "An operator of Mrmrthon has removed all passkeys from your account and ended its sessions. Log in with your password and add your passkeys again.\n\nIf you did not ask for this, recover your account now.", "Add your passkeys", toPasskeys},
		userdb.KeyCreated:               {"An API key was created", "An API key%s was created for your Mrmrthon account.\n\nIf it was not you, revoke it and change your password.", "See your API keys", toKeys},
		userdb.PasskeyRefused:           {"A passkey login was refused", "A login to your Mrmrthon account was refused because a passkey of yours reported fewer uses than before, so somebody may have copied it.\n\nRemove that passkey and add a new one.", "See your passkeys", toPasskeys},
	},
	"ko": {
		userdb.ConfirmEmail:             {"이메일 주소 확인", "Mrmrthon 계정에 이 이메일 주소가 등록되었습니다. 본인이 맞으면 24시간 안에 확인해 주세요.\n\n본인이 아니면 이 메일을 무시하셔도 됩니다. 주소는 사용되지 않습니다.", "주소 확인하기", ""},
		userdb.ChangeLogin:              {"새 로그인 아이디 확인", "Mrmrthon 계정의 로그인 아이디 변경이 요청되었습니다. 24시간 안에 변경을 완료해 주세요.\n\n본인이 아니면 확인하지 말고 비밀번호를 변경해 주세요.", "아이디 변경하기", ""},
		userdb.Recover:                  {"비밀번호 재설정", "Mrmrthon 계정의 비밀번호 재설정이 요청되었습니다. 한 시간 안에 새 비밀번호를 정해 주세요.\n\n본인이 아니면 이 메일을 무시하셔도 됩니다. 변경된 것은 없습니다.", "비밀번호 정하기", ""},
		userdb.PasswordChanged:          {"비밀번호가 변경되었습니다", "Mrmrthon 계정의 비밀번호가 변경되었고 다른 모든 세션이 종료되었습니다.\n\n본인이 아니면 지금 바로 계정을 복구해 주세요.", "계정 복구하기", toRecovery},
		userdb.Recovered:                {"계정이 복구되었습니다", "이 주소로 보낸 링크로 Mrmrthon 계정의 비밀번호가 다시 설정되었습니다. 모든 세션이 종료되었고 API 키와 패스키가 모두 삭제되었습니다. 본인의 패스키는 다시 등록해 주세요.\n\n본인이 아니면 다른 사람이 이 메일함을 보고 있는 것입니다. 메일함을 먼저 보호한 뒤 계정을 복구해 주세요.", "패스키 등록하기", toPasskeys},
		userdb.RecoveredKeepingPasskeys: {"계정이 복구되었습니다", "이 주소로 보낸 링크로 Mrmrthon 계정의 비밀번호가 다시 설정되었습니다. 모든 세션이 종료되었고 API 키가 모두 폐기되었습니다.\n\n이 계정에는 패스키가 필요하므로 등록된 패스키는 그대로 유지됩니다. 패스키 등록일%s을 확인하여 모르는 패스키를 삭제하고, 본인의 패스키가 하나도 없으면 서비스 운영자에게 알려 주세요.\n\n본인이 아니면 다른 사람이 이 메일함을 보고 있는 것입니다. 메일함을 먼저 보호한 뒤 계정을 복구해 주세요.", "패스키 확인하기", toPasskeys},
		userdb.EmailChanged:             {"이메일 주소가 변경되었습니다", "Mrmrthon 계정의 이메일 주소가 변경되어 이 주소는 더 이상 사용되지 않습니다.\n\n본인이 아니면 서비스 운영자에게 알려 주세요.", "", ""},
		userdb.LoginChanged:             {"로그인 아이디가 변경되었습니다", "Mrmrthon 계정의 로그인 아이디가 변경되었습니다.\n\n본인이 아니면 지금 바로 계정을 복구해 주세요.", "계정 복구하기", toRecovery},
		userdb.NewDevice:                {"새 기기에서 로그인", "처음 사용하는 기기%s에서 Mrmrthon 계정에 로그인했습니다.\n\n본인이 아니면 해당 세션을 종료하고 비밀번호를 변경해 주세요.", "세션 확인하기", toSessions},
		userdb.PasskeyAdded:             {"패스키가 추가되었습니다", "Mrmrthon 계정에 패스키가 추가되었습니다.\n\n본인이 아니면 패스키를 삭제하고 비밀번호를 변경해 주세요.", "패스키 확인하기", toPasskeys},
		userdb.PasskeyRemoved:           {"패스키가 삭제되었습니다", "Mrmrthon 계정에서 패스키가 삭제되었습니다.\n\n본인이 아니면 비밀번호를 변경해 주세요.", "패스키 확인하기", toPasskeys},
		userdb.PasskeysRemoved:          {"패스키가 모두 삭제되었습니다", "Mrmrthon 운영자가 계정의 패스키를 모두 삭제하고 세션을 종료했습니다. 비밀번호로 로그인하여 패스키를 다시 등록해 주세요.\n\n본인이 요청한 것이 아니면 지금 바로 계정을 복구해 주세요.", "패스키 등록하기", toPasskeys},
		userdb.KeyCreated:               {"API 키가 생성되었습니다", "Mrmrthon 계정에 API 키%s가 생성되었습니다.\n\n본인이 아니면 API 키를 폐기하고 비밀번호를 변경해 주세요.", "API 키 확인하기", toKeys},
		userdb.PasskeyRefused:           {"패스키 로그인이 거부되었습니다", "Mrmrthon 계정의 패스키 사용 횟수가 이전보다 적어 로그인이 거부되었습니다. 누군가 패스키를 복제했을 수 있습니다.\n\n해당 패스키를 삭제하고 새로 등록해 주세요.", "패스키 확인하기", toPasskeys},
	},
}

// accountWhy says why somebody gets a mail about an account. A link to confirm an address
// may go to somebody who has none.
var accountWhy = map[string]struct{ account, confirm, when string }{
	"en": {
		"You get this mail because it is about the security of your Mrmrthon account. Such mails are always sent.",
		"You get this mail because somebody entered this address at Mrmrthon, a service for results of running races. Unless you confirm it, nothing else is sent to it.",
		"When",
	},
	"ko": {
		"Mrmrthon 계정의 보안에 관한 메일입니다. 이런 메일은 끌 수 없습니다.",
		"달리기 대회 기록 서비스 Mrmrthon에 이 주소가 입력되어 보낸 메일입니다. 확인하지 않으면 다른 메일은 보내지 않습니다.",
		"시각",
	},
}

// daysIn writes the days of a detail as its readers do, and leaves anything else as it is.
func daysIn(language, detail string) string {
	parts := strings.Split(detail, ", ")
	for i, part := range parts {
		if day, err := time.Parse(time.DateOnly, part); err == nil && language == "ko" {
			parts[i] = day.Format("2006년 1월 2일")
		} else if err == nil {
			parts[i] = day.Format("2 January 2006")
		}
	}
	return strings.Join(parts, ", ")
}

// Write writes a mail about an account. A link's token is in the fragment of its address,
// which browsers send to no server, so that it is in no log.
func Write(m userdb.Mail, publicURL string) (Message, error) {
	language := m.Language
	if _, known := texts[language]; !known {
		language = "en"
	}
	say, known := texts[language][m.Kind]
	if !known {
		return Message{}, fmt.Errorf("there is no text for mails of kind %q", m.Kind)
	}
	body, base, why := say.body, strings.TrimSuffix(publicURL, "/"), accountWhy[language]
	if strings.Contains(body, "%s") {
		detail := ""
		if m.Detail != "" {
			detail = " (" + daysIn(language, m.Detail) + ")"
		}
		if language == "ko" {
			detail = strings.TrimSpace(detail)
		}
		body = fmt.Sprintf(body, detail)
	}
	c := content{
		subject: say.subject, language: language, paragraphs: strings.Split(body, "\n\n"), button: say.button, why: why.account,
		rows: []row{{why.when, timeIn(language, m.CreatedAt, "")}},
	}
	switch {
	case say.path != "":
		c.link = base + "/" + language + say.path
	case say.button != "":
		c.link = base + LinkPath + "#" + string(m.Kind) + "." + m.Token
	}
	if m.Kind == userdb.ConfirmEmail {
		c.why = why.confirm
	}
	return c.message(m.ID, m.Address)
}
