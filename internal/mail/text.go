package mail

import (
	"bytes"
	"fmt"
	"html/template"
	"strings"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// Languages are the languages that mails are written in.
func Languages() []string { return []string{"en", "ko"} }

// LinkPath is the page that links in mails lead to.
const LinkPath = "/v1/users/link"

// words are what a mail of one kind says in one language.
type words struct {
	subject string
	body    string // %s: the detail in parentheses, where there is one
	button  string // of the link; empty: there is none
}

// texts holds every kind of mail in every language. No text names anybody: whoever
// reads a mailbox by mistake learns nothing about a person.
var texts = map[string]map[userdb.MailKind]words{
	"en": {
		userdb.ConfirmEmail:             {"Confirm your e-mail address", "Somebody, probably you, gave this address for a Mrmrthon account. Follow the link within 24 hours to confirm that it is yours. If it was not you, ignore this mail: the address will not be used.", "Confirm the address"},
		userdb.ChangeLogin:              {"Confirm your new login", "A new login was requested for your Mrmrthon account. Follow the link within 24 hours to change it. If it was not you, do not follow it, and change your password.", "Change the login"},
		userdb.Recover:                  {"Choose a new password", "Somebody, probably you, wants to recover your Mrmrthon account. Follow the link within an hour to choose a new password. If it was not you, ignore this mail: nothing has changed.", "Choose a password"},
		userdb.PasswordChanged:          {"Your password was changed", "The password of your Mrmrthon account was changed, and all other sessions were ended. If it was not you, recover your account now.", ""},
		userdb.Recovered:                {"Your account was recovered", "The password of your Mrmrthon account was reset with a link sent to this address. All sessions were ended, all API keys revoked and all passkeys removed: add your own again. GET /v1/me/changes lists what was changed in the account in the meantime. If it was not you, somebody else is reading this mailbox: secure it, then recover your account.", ""},
		userdb.RecoveredKeepingPasskeys: {"Your account was recovered", "The password of your Mrmrthon account was reset with a link sent to this address. All sessions were ended and all API keys revoked. Passkeys were kept, because accounts like yours need one; these are there, by the day on which they were added%s. Log in and remove those that you do not recognise, or write to the operators of the service if none is yours. GET /v1/me/changes lists what was changed in the account in the meantime. If it was not you, somebody else is reading this mailbox: secure it, then recover your account.", ""},
		userdb.EmailChanged:             {"Your e-mail address was changed", "Your Mrmrthon account now has a different e-mail address, and this one is no longer used. If it was not you, write to the operators of the service.", ""},
		userdb.LoginChanged:             {"Your login was changed", "The login of your Mrmrthon account was changed. If it was not you, recover your account now.", ""},
		userdb.NewDevice:                {"New login to your account", "Somebody logged in to your Mrmrthon account from a new device%s. If it was not you, change your password and end the session.", ""},
		userdb.PasskeyAdded:             {"A passkey was added", "A passkey was added to your Mrmrthon account. If it was not you, remove it and change your password.", ""},
		userdb.PasskeyRemoved:           {"A passkey was removed", "A passkey was removed from your Mrmrthon account. If it was not you, change your password.", ""},
		userdb.PasskeysRemoved:          {"Your passkeys were removed", "An operator of Mrmrthon has removed all passkeys from your account and ended its sessions. Log in with your password and add your passkeys again. If you did not ask for this, recover your account now.", ""},
		userdb.KeyCreated:               {"An API key was created", "An API key%s was created for your Mrmrthon account. If it was not you, revoke it and change your password.", ""},
		userdb.PasskeyRefused:           {"A passkey login was refused", "A login to your Mrmrthon account was refused because a passkey of yours reported fewer uses than before, so somebody may have copied it. Remove that passkey and add a new one.", ""},
	},
	"ko": {
		userdb.ConfirmEmail:             {"이메일 주소 확인", "Mrmrthon 계정에 이 이메일 주소가 등록되었습니다. 본인이 맞으면 24시간 안에 아래 링크에서 확인해 주세요. 본인이 아니면 이 메일을 무시하셔도 됩니다. 주소는 사용되지 않습니다.", "주소 확인"},
		userdb.ChangeLogin:              {"새 로그인 아이디 확인", "Mrmrthon 계정의 로그인 아이디 변경이 요청되었습니다. 24시간 안에 아래 링크에서 변경을 완료해 주세요. 본인이 아니면 링크를 열지 말고 비밀번호를 변경해 주세요.", "아이디 변경"},
		userdb.Recover:                  {"비밀번호 재설정", "Mrmrthon 계정의 비밀번호 재설정이 요청되었습니다. 한 시간 안에 아래 링크에서 새 비밀번호를 정해 주세요. 본인이 아니면 이 메일을 무시하셔도 됩니다. 변경된 것은 없습니다.", "비밀번호 정하기"},
		userdb.PasswordChanged:          {"비밀번호가 변경되었습니다", "Mrmrthon 계정의 비밀번호가 변경되었고 다른 모든 세션이 종료되었습니다. 본인이 아니면 지금 바로 계정을 복구해 주세요.", ""},
		userdb.Recovered:                {"계정이 복구되었습니다", "이 주소로 보낸 링크로 Mrmrthon 계정의 비밀번호가 다시 설정되었습니다. 모든 세션이 종료되었고 API 키와 패스키가 모두 삭제되었습니다. 본인의 패스키는 다시 등록해 주세요. 그동안 계정에서 변경된 내용은 GET /v1/me/changes에서 확인할 수 있습니다. 본인이 아니면 다른 사람이 이 메일함을 보고 있는 것입니다. 메일함을 먼저 보호한 뒤 계정을 복구해 주세요.", ""},
		userdb.RecoveredKeepingPasskeys: {"계정이 복구되었습니다", "이 주소로 보낸 링크로 Mrmrthon 계정의 비밀번호가 다시 설정되었습니다. 모든 세션이 종료되었고 API 키가 모두 폐기되었습니다. 이 계정에는 패스키가 필요하므로 등록된 패스키는 그대로 유지됩니다. 패스키 등록일%s을 확인하고, 로그인하여 모르는 패스키를 삭제하고, 본인의 패스키가 하나도 없으면 서비스 운영자에게 알려 주세요. 그동안 계정에서 변경된 내용은 GET /v1/me/changes에서 확인할 수 있습니다. 본인이 아니면 다른 사람이 이 메일함을 보고 있는 것입니다. 메일함을 먼저 보호한 뒤 계정을 복구해 주세요.", ""},
		userdb.EmailChanged:             {"이메일 주소가 변경되었습니다", "Mrmrthon 계정의 이메일 주소가 변경되어 이 주소는 더 이상 사용되지 않습니다. 본인이 아니면 서비스 운영자에게 알려 주세요.", ""},
		userdb.LoginChanged:             {"로그인 아이디가 변경되었습니다", "Mrmrthon 계정의 로그인 아이디가 변경되었습니다. 본인이 아니면 지금 바로 계정을 복구해 주세요.", ""},
		userdb.NewDevice:                {"새 기기에서 로그인", "처음 사용하는 기기에서 Mrmrthon 계정에 로그인했습니다%s. 본인이 아니면 비밀번호를 변경하고 해당 세션을 종료해 주세요.", ""},
		userdb.PasskeyAdded:             {"패스키가 추가되었습니다", "Mrmrthon 계정에 패스키가 추가되었습니다. 본인이 아니면 패스키를 삭제하고 비밀번호를 변경해 주세요.", ""},
		userdb.PasskeyRemoved:           {"패스키가 삭제되었습니다", "Mrmrthon 계정에서 패스키가 삭제되었습니다. 본인이 아니면 비밀번호를 변경해 주세요.", ""},
		userdb.PasskeysRemoved:          {"패스키가 모두 삭제되었습니다", "Mrmrthon 운영자가 계정의 패스키를 모두 삭제하고 세션을 종료했습니다. 비밀번호로 로그인하여 패스키를 다시 등록해 주세요. 본인이 요청한 것이 아니면 지금 바로 계정을 복구해 주세요.", ""},
		userdb.KeyCreated:               {"API 키가 생성되었습니다", "Mrmrthon 계정에 API 키%s가 생성되었습니다. 본인이 아니면 API 키를 폐기하고 비밀번호를 변경해 주세요.", ""},
		userdb.PasskeyRefused:           {"패스키 로그인이 거부되었습니다", "Mrmrthon 계정의 패스키 사용 횟수가 이전보다 적어 로그인이 거부되었습니다. 누군가 패스키를 복제했을 수 있습니다. 해당 패스키를 삭제하고 새로 등록해 주세요.", ""},
	},
}

var page = template.Must(template.New("").Parse(`<!doctype html>
<html lang="{{.Language}}"><head><meta charset="utf-8"><title>{{.Subject}}</title></head>
<body style="font-family: sans-serif; max-width: 36em"><p>{{.Body}}</p>
{{with .Link}}<p><a href="{{.}}">{{$.Button}}</a></p>{{end}}<p><small>{{.At}}</small></p></body></html>
`))

// Write writes a mail. A link's token is in the fragment of its address, which
// browsers send to no server, so that it is in no log.
func Write(m userdb.Mail, publicURL string) (Message, error) {
	of, known := texts[m.Language]
	if !known {
		of = texts["en"]
	}
	say, known := of[m.Kind]
	if !known {
		return Message{}, fmt.Errorf("there is no text for mails of kind %q", m.Kind)
	}
	body, link := say.body, ""
	if strings.Contains(body, "%s") {
		detail := ""
		if m.Detail != "" {
			detail = " (" + m.Detail + ")"
		}
		body = fmt.Sprintf(body, detail)
	}
	text := body + "\n"
	if say.button != "" {
		link = strings.TrimSuffix(publicURL, "/") + LinkPath + "#" + string(m.Kind) + "." + m.Token
		text += "\n" + link + "\n"
	}
	at := m.CreatedAt.UTC().Format(time.DateTime) + " UTC"
	var html bytes.Buffer
	err := page.Execute(&html, map[string]any{
		"Language": m.Language, "Subject": say.subject, "Body": body, "Button": say.button, "At": at,
		"Link": template.URL(link), //nolint:gosec // of our own making
	})
	if err != nil {
		return Message{}, fmt.Errorf("write a mail of kind %s: %w", m.Kind, err)
	}
	return Message{ID: m.ID, To: m.Address, Subject: say.subject, Text: text + "\n" + at + "\n", HTML: html.String()}, nil
}
