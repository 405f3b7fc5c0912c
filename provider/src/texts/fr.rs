//! French, with the formal address. A no-break space stands before a colon, a narrow one before a question mark.

use oidc_crds::language::Language;

use super::{Texts, html};

pub(super) static FR: Texts = Texts {
    language: Language::Fr,
    time: "%d/%m/%Y %H:%M UTC",
    sign_in: "Se connecter",
    to_continue: |client| html!("pour continuer vers {client}"),
    your_account: "votre compte",
    user_name: "Nom d’utilisateur",
    password: "Mot de passe",
    wrong_credentials: "Le nom d’utilisateur ou le mot de passe est incorrect.",
    wrong_password: "Le mot de passe est incorrect.",
    may_not_sign_in: "Cette personne n’est pas autorisée à se connecter.",
    stale: "Cette page est restée ouverte trop longtemps. Veuillez vous connecter à nouveau.",
    busy: "Trop de personnes se connectent en ce moment. Patientez quelques secondes, puis réessayez.",
    wait_seconds: |seconds| match seconds {
        1 => html!("Trop de tentatives. Patientez une seconde, puis réessayez."),
        _ => html!("Trop de tentatives. Patientez {seconds} secondes, puis réessayez."),
    },
    wait_minutes: |minutes| match minutes {
        1 => html!("Trop de tentatives. Patientez une minute, puis réessayez."),
        _ => html!("Trop de tentatives. Patientez {minutes} minutes, puis réessayez."),
    },
    signed_in_as: |user| html!("Vous êtes connecté en tant que {user}."),
    namespace: |namespace| html!("(espace de noms {namespace})"),
    unknown_device: "Appareil inconnu",
    device_on: |browser, system| html!("{browser} sous {system}"),
    account: "Votre compte",
    sessions: "Vos sessions ouvertes",
    this_one: "cette session",
    address: |address| html!("Adresse\u{a0}: {address}"),
    signed_in_since: |time| html!("Connexion le {time}"),
    last_seen: |time| html!("Dernière activité le {time}"),
    last_seen_now: "Active en ce moment",
    sign_out_here: "Se déconnecter ici",
    sign_out_that_one: "Fermer cette session",
    everywhere_else: "Se déconnecter partout ailleurs",
    everywhere: "Se déconnecter partout",
    applications: "Applications que vous avez autorisées",
    no_applications: "Aucune pour l’instant. Une application qui demande votre autorisation apparaît ici une fois que vous \
                      l’avez autorisée.",
    allowed_since: |namespace, time| html!("espace de noms {namespace}, autorisée le {time}"),
    withdraw: "Retirer l’accès",
    done_signed_out: "Cette session est fermée.",
    done_signed_out_others: "Toutes les autres sessions sont fermées.",
    done_withdrawn: "Cette application n’a plus d’accès\u{a0}; elle devra vous le redemander.",
    password_once_more: "Saisissez à nouveau votre mot de passe pour continuer.",
    back_to_account: "Retour à votre compte",
    allow_access: "Autoriser l’accès",
    allow_question: |client| html!("Autoriser {client}\u{202f}?"),
    asks_to: |client| html!("{client} demande l’autorisation de\u{a0}:"),
    other_scope: |scope| html!("Utiliser l’autorisation {scope}"),
    scope_openid: "Savoir qui vous êtes",
    scope_profile: "Voir votre nom et votre profil",
    scope_email: "Voir votre adresse e-mail",
    scope_address: "Voir votre adresse postale",
    scope_phone: "Voir votre numéro de téléphone",
    scope_groups: "Voir les groupes dont vous faites partie",
    scope_offline_access: "Conserver cet accès après votre déconnexion",
    allow: "Autoriser",
    deny: "Refuser",
    privacy_policy: "Politique de confidentialité",
    terms_of_service: "Conditions d’utilisation",
    imprint: "Mentions légales",
    sign_out: "Se déconnecter",
    sign_out_question: "Se déconnecter\u{202f}?",
    asks_to_sign_out: |client| html!("{client} demande à vous déconnecter."),
    signing_out_ends: "La déconnexion vaut pour toutes les applications dans ce navigateur.",
    stay_signed_in: "Rester connecté",
    signed_out: "Déconnexion effectuée",
    you_are_signed_out: "Vous êtes déconnecté",
    close_page: "Vous pouvez fermer cette page.",
    still_signed_in: "Toujours connecté",
    you_are_still_signed_in: "Vous êtes toujours connecté",
    nothing_changed: "Rien n’a changé.",
    go_to: |client| html!("Aller à {client}"),
    too_many_sessions: "Trop de sessions",
    signed_in_too_often: "Vous avez trop de sessions ouvertes",
    limit_reached: |user, count| match count {
        1 => html!(
            "Le mot de passe est correct, mais {user} a déjà une session ouverte, et il ne peut y en avoir plus ici."
        ),
        _ => html!(
            "Le mot de passe est correct, mais {user} a déjà {count} sessions ouvertes, et il ne peut y en avoir plus ici."
        ),
    },
    oldest_session: |device, signed_in, last_seen| {
        html!(
            "La session la plus ancienne\u{a0}: {device}, connexion le {signed_in}, dernière activité le {last_seen}."
        )
    },
    end_oldest: "Fermer la plus ancienne et se connecter",
    do_not_sign_in: "Ne pas se connecter ici",
    error_not_found: "Il n’y a rien ici",
    error_not_allowed: "Ce n’est pas possible ici",
    error_limited: "Trop de requêtes",
    error_broken: "Une erreur s’est produite",
    error_later: "Veuillez réessayer dans un instant",
    error_other: "Cette requête ne peut pas recevoir de réponse",
    problem_request: "L’application a envoyé une demande à laquelle il est impossible de répondre ici. Signalez-le à son \
                      responsable.",
    problem_not_found: "Il n’y a rien à cette adresse.",
    problem_not_allowed: "Cette adresse n’accepte pas cette méthode.",
    problem_limited: "Trop de requêtes sont venues d’ici. Patientez un instant, puis réessayez.",
    problem_broken: "Une erreur s’est produite ici. Réessayez\u{a0}; si elle se reproduit, demandez de l’aide.",
    problem_starting: "Le service est en cours de démarrage. Réessayez dans un instant.",
    problem_store: "Le stockage est indisponible. Réessayez dans quelques secondes.",
    problem_headers: "Le navigateur envoie trop de données. Supprimez les cookies de ce site.",
    problem_other_site: "Ce formulaire a été envoyé depuis un autre site. Ouvrez l’application et recommencez.",
    problem_no_cookie: "Le navigateur n’a pas envoyé de cookie. Autorisez les cookies pour ce site, ouvrez l’application et \
                        recommencez.",
    problem_expired: "Cette page est restée ouverte trop longtemps. Ouvrez l’application et recommencez.",
    problem_forged: "Ce formulaire ne vient pas de ce navigateur. Ouvrez l’application et recommencez.",
    problem_unknown_application: "L’application n’est plus connue ici.",
    problem_changed: "L’enregistrement de cette application a changé. Retournez-y et recommencez.",
    problem_no_answer: "Le formulaire ne contient pas de réponse. Choisissez l’un de ses boutons.",
    for_help: |code, request| {
        html!("Si vous demandez de l’aide, indiquez ceci\u{a0}: {code}, requête {request}")
    },
    back_to_application: "Retour à l’application",
    go_on: "Continuer",
    service: "Service de connexion",
    service_hint: "C’est ici que les applications vous envoient pour vous connecter. Il n’y a rien d’autre à y faire\u{a0}: \
                   ouvrez l’application que vous voulez utiliser et connectez-vous depuis celle-ci.",
};
