//! German, with the formal address.

use oidc_crds::language::Language;

use super::{Texts, html};

pub(super) static DE: Texts = Texts {
    language: Language::De,
    time: "%d.%m.%Y, %H:%M UTC",
    sign_in: "Anmelden",
    to_continue: |client| html!("um mit {client} fortzufahren"),
    your_account: "Ihrem Konto",
    user_name: "Benutzername",
    password: "Passwort",
    wrong_credentials: "Der Benutzername oder das Passwort ist falsch.",
    wrong_password: "Das Passwort ist falsch.",
    may_not_sign_in: "Diese Person darf sich nicht anmelden.",
    stale: "Diese Seite war zu lange geöffnet. Bitte melden Sie sich noch einmal an.",
    busy: "Im Moment melden sich zu viele Personen an. Bitte warten Sie einige Sekunden und versuchen Sie es dann erneut.",
    wait_seconds: |seconds| match seconds {
        1 => html!("Zu viele Versuche. Bitte warten Sie eine Sekunde und versuchen Sie es dann erneut."),
        _ => {
            html!("Zu viele Versuche. Bitte warten Sie {seconds} Sekunden und versuchen Sie es dann erneut.")
        }
    },
    wait_minutes: |minutes| match minutes {
        1 => html!("Zu viele Versuche. Bitte warten Sie eine Minute und versuchen Sie es dann erneut."),
        _ => html!("Zu viele Versuche. Bitte warten Sie {minutes} Minuten und versuchen Sie es dann erneut."),
    },
    signed_in_as: |user| html!("Sie sind als {user} angemeldet."),
    namespace: |namespace| html!("(Namensraum {namespace})"),
    unknown_device: "Unbekanntes Gerät",
    device_on: |browser, system| html!("{browser} unter {system}"),
    account: "Ihr Konto",
    sessions: "Wo Sie angemeldet sind",
    this_one: "diese Sitzung",
    address: |address| html!("Adresse {address}"),
    signed_in_since: |time| html!("Angemeldet am {time}"),
    last_seen: |time| html!("Zuletzt aktiv am {time}"),
    last_seen_now: "Gerade aktiv",
    sign_out_here: "Hier abmelden",
    sign_out_that_one: "Diese abmelden",
    everywhere_else: "Überall sonst abmelden",
    everywhere: "Überall abmelden",
    applications: "Anwendungen, die Sie zugelassen haben",
    no_applications: "Noch keine. Eine Anwendung, die Sie um Erlaubnis bittet, erscheint hier, sobald Sie sie zulassen.",
    allowed_since: |namespace, time| html!("Namensraum {namespace}, zugelassen am {time}"),
    withdraw: "Widerrufen",
    done_signed_out: "Diese Sitzung ist abgemeldet.",
    done_signed_out_others: "Alle anderen Sitzungen sind abgemeldet.",
    done_withdrawn: "Diese Anwendung hat keinen Zugriff mehr; sie muss Sie erneut fragen.",
    password_once_more: "Bitte geben Sie noch einmal Ihr Passwort ein, um fortzufahren.",
    back_to_account: "Zurück zu Ihrem Konto",
    allow_access: "Zugriff zulassen",
    allow_question: |client| html!("{client} zulassen?"),
    asks_to: |client| html!("{client} möchte:"),
    other_scope: |scope| html!("Die Berechtigung {scope} verwenden"),
    scope_openid: "Erfahren, wer Sie sind",
    scope_profile: "Ihren Namen und Ihr Profil sehen",
    scope_email: "Ihre E-Mail-Adresse sehen",
    scope_address: "Ihre Postanschrift sehen",
    scope_phone: "Ihre Telefonnummer sehen",
    scope_groups: "Die Gruppen sehen, denen Sie angehören",
    scope_offline_access: "Diesen Zugriff behalten, wenn Sie abgemeldet sind",
    allow: "Zulassen",
    deny: "Ablehnen",
    privacy_policy: "Datenschutzerklärung",
    terms_of_service: "Nutzungsbedingungen",
    imprint: "Impressum",
    sign_out: "Abmelden",
    sign_out_question: "Abmelden?",
    asks_to_sign_out: |client| html!("{client} möchte Sie abmelden."),
    signing_out_ends: "Das Abmelden gilt für alle Anwendungen in diesem Browser.",
    stay_signed_in: "Angemeldet bleiben",
    signed_out: "Abgemeldet",
    you_are_signed_out: "Sie sind abgemeldet",
    close_page: "Sie können diese Seite schließen.",
    still_signed_in: "Weiterhin angemeldet",
    you_are_still_signed_in: "Sie sind weiterhin angemeldet",
    nothing_changed: "Es hat sich nichts geändert.",
    go_to: |client| html!("Weiter zu {client}"),
    too_many_sessions: "Zu viele Sitzungen",
    signed_in_too_often: "Sie sind zu oft angemeldet",
    limit_reached: |user, count| match count {
        1 => html!(
            "Das Passwort ist richtig, aber {user} ist schon einmal angemeldet. Mehr ist hier nicht erlaubt."
        ),
        _ => html!(
            "Das Passwort ist richtig, aber {user} ist schon {count}-mal angemeldet. Mehr ist hier nicht erlaubt."
        ),
    },
    oldest_session: |device, signed_in, last_seen| {
        html!("Die älteste Sitzung: {device}, angemeldet am {signed_in}, zuletzt aktiv am {last_seen}.")
    },
    end_oldest: "Die älteste beenden und anmelden",
    do_not_sign_in: "Hier nicht anmelden",
    error_not_found: "Hier gibt es nichts",
    error_not_allowed: "Das ist hier nicht möglich",
    error_limited: "Zu viele Anfragen",
    error_broken: "Etwas ist schiefgegangen",
    error_later: "Bitte versuchen Sie es gleich noch einmal",
    error_other: "Diese Anfrage kann nicht beantwortet werden",
    problem_request: "Die Anwendung hat etwas geschickt, das hier nicht beantwortet werden kann. Bitte wenden Sie sich \
                      an deren Betreiber.",
    problem_not_found: "Unter dieser Adresse gibt es nichts.",
    problem_not_allowed: "Unter dieser Adresse ist diese Methode nicht möglich.",
    problem_limited: "Von hier kamen zu viele Anfragen. Bitte warten Sie einen Moment und versuchen Sie es dann erneut.",
    problem_broken: "Hier ist etwas schiefgegangen. Bitte versuchen Sie es noch einmal; wenn es wieder geschieht, bitten \
                     Sie um Hilfe.",
    problem_starting: "Der Dienst startet gerade. Bitte versuchen Sie es gleich noch einmal.",
    problem_store: "Der Speicher ist gerade nicht erreichbar. Bitte versuchen Sie es in einigen Sekunden erneut.",
    problem_headers: "Der Browser schickt zu viele Daten mit. Bitte löschen Sie die Cookies dieser Website.",
    problem_other_site: "Dieses Formular wurde von einer anderen Website gesendet. Bitte öffnen Sie die Anwendung und \
                         beginnen Sie noch einmal.",
    problem_no_cookie: "Der Browser hat kein Cookie gesendet. Bitte erlauben Sie Cookies für diese Website, öffnen Sie die \
                        Anwendung und beginnen Sie noch einmal.",
    problem_expired: "Diese Seite war zu lange geöffnet. Bitte öffnen Sie die Anwendung und beginnen Sie noch einmal.",
    problem_forged: "Dieses Formular gehört nicht zu diesem Browser. Bitte öffnen Sie die Anwendung und beginnen Sie noch \
                     einmal.",
    problem_unknown_application: "Die Anwendung ist hier nicht mehr bekannt.",
    problem_changed: "Die Registrierung dieser Anwendung hat sich geändert. Bitte kehren Sie zu ihr zurück und beginnen Sie \
                      noch einmal.",
    problem_no_answer: "Das Formular enthält keine Antwort. Bitte wählen Sie eine seiner Schaltflächen.",
    for_help: |code, request| html!("Wenn Sie um Hilfe bitten, nennen Sie bitte: {code}, Anfrage {request}"),
    back_to_application: "Zurück zur Anwendung",
    go_on: "Weiter",
    service: "Anmeldedienst",
    service_hint: "Hierher schicken Anwendungen Sie zum Anmelden. Für sich allein gibt es hier nichts zu tun: Öffnen Sie die \
                   Anwendung, die Sie verwenden möchten, und melden Sie sich von dort aus an.",
};
