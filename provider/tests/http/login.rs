use super::support::browser::Form;
use super::support::*;

const BROWSER: &str = "__Host-oidc_browser";
const SESSION: &str = "__Host-oidc_session";

#[tokio::test]
async fn ses_01_a_pending_request_is_bound_to_its_browser() {
    let app = TestApp::new();
    let mut browser = Browser::new(&app);
    let page = browser.authorize("web", &[]).await;
    let good = || {
        Form::of(&page)
            .with("username", "jdoe")
            .with("password", PASSWORD)
    };
    let sealed = good().get("_request").to_owned();
    for forged in [
        "",
        "x",
        &sealed[1..],
        &sealed[..sealed.len() - 4],
        &sealed.replace(&sealed[20..24], "AAAA"),
    ] {
        browser
            .submit(good().with("_request", forged))
            .await
            .is_own_page(400);
    }
    // another browser: with its own CSRF token, and with the first one's
    let mut other = Browser::new(&app);
    let own = Form::of(&other.authorize("web", &[]).await)
        .get("_csrf")
        .to_owned();
    other.submit(good().with("_csrf", &own)).await.is_own_page(400);
    other.submit(good()).await.is_own_page(400);
    // no cookie
    Browser::new(&app).submit(good()).await.is_own_page(400);
    assert_eq!(browser.submit(good()).await.status, 200);
}

#[tokio::test]
async fn ses_01_a_pending_request_expires() {
    let app = TestApp::new();
    let mut browser = Browser::new(&app);
    let page = browser.authorize("web", &[]).await;
    app.clock.advance(500);
    let again = browser.sign_in(&page, "jdoe", "wrong").await;
    app.clock.advance(101);
    let late = browser.sign_in(&again, "jdoe", PASSWORD).await;
    late.is_own_page(400);
    assert!(late.text.contains("open for too long"), "{}", late.text);
}

#[tokio::test]
async fn ses_01_tabs_do_not_disturb_each_other() {
    let app = TestApp::new();
    let mut browser = Browser::new(&app);
    let first = browser.authorize("web", &[("state", "one")]).await;
    let second = browser.authorize("other", &[("state", "two")]).await;
    let consent = browser.sign_in(&first, "jdoe", PASSWORD).await;
    let answer = browser.walk_on(&second).await;
    assert_eq!(answer.sent_back()["state"], "two");
    assert_eq!(
        browser.decide(&consent, "allow").await.sent_back()["state"],
        "one"
    );
}

/// Two first pages that a browser asked for at once: neither request knew the other's cookie.
async fn two_first_pages<'a>(app: &'a TestApp) -> (Browser<'a>, [Answer; 2]) {
    let mut browser = Browser::new(app);
    let mut other = Browser::new(app);
    let first = browser.authorize("web", &[("state", "one")]).await;
    let second = other.authorize("other", &[("state", "two")]).await;
    // the later answer's cookies are kept in place of those with the same name
    browser.cookies.extend(other.cookies);
    (browser, [first, second])
}

#[tokio::test]
async fn ses_01_first_pages_that_were_asked_for_at_once_do_not_disturb_each_other() {
    for turned in [false, true] {
        let app = TestApp::new();
        let (mut browser, [first, second]) = two_first_pages(&app).await;
        assert_eq!(browser.cookies.len(), 3);
        let tabs = [(first, "one"), (second, "two")];
        let mut consents = Vec::new();
        for (tab, state) in if turned {
            [&tabs[1], &tabs[0]]
        } else {
            [&tabs[0], &tabs[1]]
        } {
            let again = browser.sign_in(tab, "jdoe", "wrong").await;
            assert_eq!(again.status, 400);
            consents.push((browser.sign_in(&again, "jdoe", PASSWORD).await, *state));
        }
        for (consent, state) in consents {
            let answer = browser.decide(&consent, "allow").await;
            assert_eq!(answer.sent_back()["state"], state);
        }
        // who came later has the lasting name only
        let later = browser.authorize("web", &[("prompt", "login")]).await;
        assert_eq!(later.header("set-cookie"), None);
    }
}

#[tokio::test]
async fn ses_01_a_passing_name_lasts_as_long_as_the_form() {
    let app = TestApp::new();
    let (mut browser, [first, _]) = two_first_pages(&app).await;
    // the consent form is good for its own time: so is the name that it is bound to
    let consent = browser.sign_in(&first, "jdoe", PASSWORD).await;
    let set: Vec<_> = consent.headers.get_all("set-cookie").iter().collect();
    let passing = |cookie: &&&http::HeaderValue| {
        let cookie = cookie.to_str().unwrap();
        cookie.starts_with("__Host-oidc_browser-") && cookie.contains("Max-Age=660")
    };
    assert_eq!(set.iter().filter(passing).count(), 1, "{set:?}");
}

#[tokio::test]
async fn ses_03_a_passing_name_proves_no_more_than_the_lasting_one() {
    let app = TestApp::new();
    let (mut browser, [first, _]) = two_first_pages(&app).await;
    let good = Form::of(&first)
        .with("username", "jdoe")
        .with("password", PASSWORD);
    // a name that does not go with its value, or of another browser, is none
    let names: Vec<_> = browser
        .cookies
        .keys()
        .filter(|name| name.contains('-'))
        .cloned()
        .collect();
    for name in names
        .iter()
        .filter(|name| name.starts_with("__Host-oidc_browser-"))
    {
        let value = browser.cookies.remove(name).unwrap();
        browser.cookies.insert(format!("{BROWSER}-AAAAAAAA"), value);
    }
    browser.submit(good.clone()).await.is_own_page(400);
    // and another site's form is refused whatever cookies come with it
    let (mut browser, [first, _]) = two_first_pages(&app).await;
    let form = Form::of(&first)
        .with("username", "jdoe")
        .with("password", PASSWORD);
    let ask = || Ask::post("/login").form(&form.fields);
    browser
        .send(ask().header("sec-fetch-site", "cross-site"))
        .await
        .is_own_page(400);
    browser
        .send(ask().header("origin", "https://evil.example"))
        .await
        .is_own_page(400);
    assert_eq!(browser.send(ask()).await.status, 200);
    // frames show no form, so none fills the browser with names
    let mut framed = Browser::new(&app);
    let address = format!("/authorize?{}", encoded(&request_of(&app, "web")));
    framed
        .send(Ask::get(&address).header("sec-fetch-dest", "iframe"))
        .await;
    assert_eq!(framed.cookies.keys().collect::<Vec<_>>(), [BROWSER]);
}

#[tokio::test]
async fn ses_02_cookies_on_https() {
    let app = TestApp::new();
    let mut browser = Browser::new(&app);
    let page = browser.authorize("web", &[]).await;
    let set: Vec<_> = page
        .headers
        .get_all("set-cookie")
        .iter()
        .map(|c| c.to_str().unwrap())
        .collect();
    assert_eq!(set.len(), 2, "only the browser's name, twice: {set:?}");
    let attributes =
        |cookie: &str| -> Vec<String> { cookie.split("; ").skip(1).map(str::to_owned).collect() };
    assert!(set[0].starts_with("__Host-oidc_browser="));
    assert!(set[1].starts_with("__Host-oidc_browser-"));
    for (set, age) in [(set[0], "Max-Age=630720000"), (set[1], "Max-Age=660")] {
        for attribute in ["HttpOnly", "Secure", "SameSite=None", "Path=/", age] {
            assert!(
                attributes(set).iter().any(|a| a == attribute),
                "{attribute}: {set}"
            );
        }
    }
    let answer = browser.sign_in(&page, "jdoe", PASSWORD).await;
    let set: Vec<_> = answer
        .headers
        .get_all("set-cookie")
        .iter()
        .map(|c| c.to_str().unwrap())
        .collect();
    assert_eq!(set.len(), 1, "{set:?}");
    assert!(set[0].starts_with("__Host-oidc_session=s1."));
    let mut found = attributes(set[0]);
    found.sort();
    assert_eq!(found, ["HttpOnly", "Path=/", "SameSite=None", "Secure"]);
}

#[tokio::test]
async fn ses_02_cookies_on_plain_localhost() {
    let app = TestApp::with(Setup {
        issuer: "http://localhost:5000",
        ..Setup::default()
    });
    let mut browser = Browser::new(&app);
    let page = browser.authorize("web", &[]).await;
    let cookie = page.header("set-cookie").unwrap();
    assert!(cookie.starts_with("oidc_browser="), "{cookie}");
    assert!(cookie.contains("SameSite=Lax") && cookie.contains("HttpOnly") && !cookie.contains("Secure"));
    assert_eq!(page.header("strict-transport-security"), None);
    browser.sign_in(&page, "jdoe", PASSWORD).await;
    assert!(browser.cookies.contains_key("oidc_session"));
    browser.code("web", &[]).await;
}

#[tokio::test]
async fn ses_02_the_session_id_changes_at_login() {
    let app = TestApp::new();
    let mut browser = Browser::new(&app);
    // fixation: an id that somebody planted; it reads like one of ours
    let (tag, secret) = ("A".repeat(22), "B".repeat(42) + "A");
    browser
        .cookies
        .insert(SESSION.to_owned(), format!("s1.{tag}.{secret}"));
    browser.code("web", &[]).await;
    let first = browser.cookies[SESSION].clone();
    assert!(!first.contains(&tag) && !first.contains(&secret));
    let page = browser.authorize("web", &[("prompt", "login")]).await;
    browser.sign_in(&page, "jdoe", PASSWORD).await.code();
    let second = browser.cookies[SESSION].clone();
    assert_ne!(first, second);
    assert_eq!(
        first.split('.').nth(1),
        second.split('.').nth(1),
        "the login goes on"
    );
    browser.cookies.insert(SESSION.to_owned(), first);
    assert!(
        Form::of(&browser.authorize("web", &[]).await).has("password"),
        "the old id is dead"
    );
}

#[tokio::test]
async fn another_person_ends_the_session_of_the_first() {
    let app = TestApp::new();
    let mut browser = Browser::new(&app);
    let tokens = Tokens::of(&app.redeem("web", &browser.code("web", &[]).await).await);
    let first = browser.cookies[SESSION].clone();
    let page = browser.authorize("web", &[("prompt", "login")]).await;
    let page = browser.sign_in(&page, "erin", PASSWORD).await;
    let other = Tokens::of(
        &app.redeem("web", &browser.decide(&page, "allow").await.code())
            .await,
    );
    assert_ne!(
        first.split('.').nth(1),
        browser.cookies[SESSION].split('.').nth(1)
    );
    assert_ne!(decode(&tokens.id).1["sid"], decode(&other.id).1["sid"]);
    app.refresh("web", &tokens.refresh)
        .await
        .is_error(400, "invalid_grant");
    assert_eq!(app.refresh("web", &other.refresh).await.status, 200);
}

#[tokio::test]
async fn the_same_person_keeps_login_and_families() {
    let app = TestApp::new();
    let mut browser = Browser::new(&app);
    let tokens = Tokens::of(&app.redeem("web", &browser.code("web", &[]).await).await);
    let page = browser.authorize("web", &[("prompt", "login")]).await;
    browser.sign_in(&page, "jdoe", PASSWORD).await.code();
    assert_eq!(app.refresh("web", &tokens.refresh).await.status, 200);
}

#[tokio::test]
async fn ses_03_each_form_has_a_csrf_token_and_its_origin_is_checked() {
    let app = TestApp::new();
    let mut browser = Browser::new(&app);
    let page = browser.authorize("web", &[]).await;
    let form = Form::of(&page)
        .with("username", "jdoe")
        .with("password", PASSWORD);
    for wrong in ["", "x", &form.get("_csrf")[1..]] {
        browser
            .submit(form.clone().with("_csrf", wrong))
            .await
            .is_own_page(400);
    }
    for (name, value) in [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("origin", "https://evil.example"),
    ] {
        let ask = Ask::post("/login").header(name, value).form(&form.fields);
        browser.send(ask).await.is_own_page(400);
    }
    let old_browser = Ask::post("/login").header("origin", ISSUER).form(&form.fields);
    assert_eq!(browser.send(old_browser).await.status, 200);
}

#[tokio::test]
async fn ses_04_the_oldest_of_too_many_sessions_ends() {
    let app = TestApp::new();
    let mut first = Browser::new(&app);
    let tokens = Tokens::of(&app.redeem("web", &first.code("web", &[]).await).await);
    for _ in 0..9 {
        app.clock.advance(1);
        Browser::new(&app).code("web", &[]).await;
    }
    first.authorize("web", &[]).await.code();
    app.clock.advance(1);
    Browser::new(&app).code("web", &[]).await;
    assert_eq!(
        first.authorize("web", &[("prompt", "none")]).await.sent_back()["error"],
        "login_required"
    );
    app.refresh("web", &tokens.refresh)
        .await
        .is_error(400, "invalid_grant");
}

#[tokio::test]
async fn ses_04_idle_and_absolute_timeouts() {
    let app = TestApp::new();
    let mut browser = Browser::new(&app);
    browser.code("web", &[]).await;
    app.clock.advance(11 * 3600);
    browser.authorize("web", &[]).await.code();
    app.clock.advance(11 * 3600);
    browser.authorize("web", &[]).await.code();
    app.clock.advance(3 * 3600);
    let late = browser.authorize("web", &[("prompt", "none")]).await;
    late.is_sent_back_with("login_required");
}

#[tokio::test]
async fn ses_05_wrong_user_and_wrong_password_look_alike() {
    let app = TestApp::new();
    let mut answers = Vec::new();
    for (username, password) in [
        ("jdoe", "wrong"),
        ("nobody", "wrong"),
        ("nobody", PASSWORD),
        ("gone", "wrong"),
        ("jdoe", ""),
    ] {
        let mut browser = Browser::new(&app);
        let page = browser.authorize("web", &[]).await;
        let (answer, trips) = app.trips(browser.sign_in(&page, username, password)).await;
        assert_eq!(answer.status, 400);
        assert_eq!(trips, 1, "{username}");
        let form = Form::of(&answer);
        assert_eq!(form.get("username"), username);
        assert_eq!(form.get("password"), "", "a password never comes back");
        assert!(answer.text.contains(r#"role="alert""#));
        let text = answer
            .text
            .replace(form.get("_request"), "")
            .replace(form.get("_csrf"), "");
        answers.push(text.replace(username, ""));
        assert!(!browser.cookies.contains_key(SESSION));
    }
    assert!(answers.windows(2).all(|two| two[0] == two[1]), "{answers:#?}");
}

#[tokio::test]
async fn ses_05_attempts_are_limited_alike_for_users_and_unknown_names() {
    let app = TestApp::new();
    let mut pages = Vec::new();
    for username in ["jdoe", "nobody"] {
        let mut browser = Browser::new(&app);
        let mut page = browser.authorize("web", &[]).await;
        for _ in 0..10 {
            page = browser.sign_in(&page, username, "wrong").await;
            assert_eq!(page.status, 400);
        }
        // the right one is not looked at either
        let (limited, trips) = app.trips(browser.sign_in(&page, username, PASSWORD)).await;
        limited.is_own_page(429);
        assert_eq!(trips, 1);
        assert_eq!(limited.header("retry-after"), Some("1"));
        assert!(
            limited
                .text
                .contains("Too many attempts. Wait a second, then try again.")
        );
        let form = Form::of(&limited);
        assert_eq!((form.get("username"), form.get("password")), (username, ""));
        let text = limited
            .text
            .replace(form.get("_request"), "")
            .replace(form.get("_csrf"), "");
        pages.push(text.replace(username, ""));
        app.clock.advance(1);
        assert_eq!(browser.sign_in(&limited, username, "wrong").await.status, 400);
        let limited = browser.sign_in(&limited, username, "wrong").await;
        assert_eq!(
            (limited.status.as_u16(), limited.header("retry-after")),
            (429, Some("2"))
        );
    }
    assert_eq!(pages[0], pages[1]);
    let metrics = app.send_internal(Ask::get("/metrics")).await.text;
    assert!(metrics.contains(r#"oidc_rate_limited_total{limit="login_per_account"} 4"#));
    assert!(metrics.contains(r#"oidc_logins_total{outcome="limited"} 4"#));
}

#[tokio::test]
async fn ses_05_no_stranger_locks_an_account() {
    let app = TestApp::new();
    let mut home = Browser::new(&app);
    home.code("web", &[]).await;
    let mut stranger = Browser::new(&app);
    let page = stranger.authorize("web", &[]).await;
    for _ in 0..10 {
        assert_eq!(stranger.sign_in(&page, "jdoe", "wrong").await.status, 400);
    }
    assert_eq!(stranger.sign_in(&page, "jdoe", "wrong").await.status, 429);
    // where the owner signed in before, nothing is felt of it
    let page = home.authorize("web", &[("prompt", "login")]).await;
    home.sign_in(&page, "jdoe", PASSWORD).await.code();
    // and elsewhere a short wait is all; a success frees the way
    let mut elsewhere = Browser::new(&app);
    let page = elsewhere.authorize("web", &[]).await;
    assert_eq!(elsewhere.sign_in(&page, "jdoe", PASSWORD).await.status, 429);
    app.clock.advance(1);
    elsewhere.sign_in(&page, "jdoe", PASSWORD).await.code();
    let mut another = Browser::new(&app);
    let page = another.authorize("web", &[]).await;
    another.sign_in(&page, "jdoe", PASSWORD).await.code();
}

#[tokio::test]
async fn a_second_try_works() {
    let app = TestApp::new();
    let mut browser = Browser::new(&app);
    let page = browser.authorize("web", &[]).await;
    let again = browser.sign_in(&page, "jdoe", "wrong").await;
    assert_eq!(browser.sign_in(&again, "jdoe", PASSWORD).await.status, 200);
}

#[tokio::test]
async fn a_login_costs_three_round_trips_and_that_of_the_code() {
    let app = TestApp::new();
    let mut browser = Browser::new(&app);
    let page = browser.authorize("web", &[]).await;
    let (consent, trips) = app.trips(browser.sign_in(&page, "jdoe", PASSWORD)).await;
    assert_eq!(trips, 3);
    browser.decide(&consent, "allow").await.code();
    let mut elsewhere = Browser::new(&app);
    let page = elsewhere.authorize("web", &[]).await;
    let (answer, trips) = app.trips(elsewhere.sign_in(&page, "jdoe", PASSWORD)).await;
    answer.code();
    assert_eq!(trips, 4);
}

#[tokio::test]
async fn err_04_redirects_after_a_post_are_303() {
    let app = TestApp::new();
    let mut browser = Browser::new(&app);
    browser.code("web", &[]).await;
    let mut elsewhere = Browser::new(&app);
    let page = elsewhere.authorize("web", &[]).await;
    assert_eq!(elsewhere.sign_in(&page, "jdoe", PASSWORD).await.status, 303);
    let posted = browser
        .send(Ask::post("/authorize").form(&request_of(&app, "web")))
        .await;
    assert_eq!(posted.status, 303);
}

#[tokio::test]
async fn err_05_without_the_store_nobody_signs_in() {
    let app = TestApp::new();
    let mut browser = Browser::new(&app);
    let page = browser.authorize("web", &[]).await;
    app.store.set_away(true);
    browser
        .sign_in(&page, "jdoe", PASSWORD)
        .await
        .is_sent_back_with("temporarily_unavailable");
    app.store.set_away(false);
    assert_eq!(browser.sign_in(&page, "jdoe", PASSWORD).await.status, 200);
}

#[tokio::test]
async fn the_login_page() {
    let app = TestApp::new();
    let mut browser = Browser::new(&app);
    browser.cookies.insert(BROWSER.to_owned(), "A".repeat(43));
    let page = browser.authorize("web", &[("login_hint", "jdoe")]).await;
    let form = Form::of(&page);
    let text = page
        .text
        .replace(form.get("_request"), "[request]")
        .replace(form.get("_csrf"), "[csrf]");
    let (_, main) = text.split_once("<main>").unwrap();
    insta::assert_snapshot!(main.trim(), @r#"
    <h1>Sign in</h1>
    <p>to continue to <strong>The Web App</strong></p>

    <form method="post" action="/login">
    <input type="hidden" name="_csrf" value="[csrf]">
    <input type="hidden" name="_request" value="[request]">
    <label for="username">User name</label>
    <input id="username" name="username" type="text" value="jdoe" autocomplete="username" autocapitalize="none" spellcheck="false" required>
    <label for="password">Password</label>
    <input id="password" name="password" type="password" autocomplete="current-password" required autofocus>
    <button type="submit">Sign in</button>
    </form>

    </main>
    </body>
    </html>
    "#);
}

#[tokio::test]
async fn login_by_hand_is_a_friendly_page() {
    let app = TestApp::new();
    for path in ["/login", "/"] {
        let page = app.send(Ask::get(path)).await;
        page.is_own_page(200);
        assert!(page.text.contains("sign in from there"));
    }
}

#[tokio::test]
async fn ses_01_a_login_whose_code_could_not_be_stored_is_a_login() {
    let app = TestApp::new();
    let mut browser = Browser::new(&app);
    browser.code("web", &[]).await;
    for (more, cookie) in [("login", browser.cookies[SESSION].clone()), ("", String::new())] {
        // signing in again replaces the cookie; a browser without one gets its first
        let mut browser = Browser::new(&app);
        if !cookie.is_empty() {
            browser.cookies.insert(SESSION.to_owned(), cookie.clone());
        }
        let page = browser.authorize("web", &[("prompt", more)]).await;
        app.store.set_no_grants(true);
        let answer = browser.sign_in(&page, "jdoe", PASSWORD).await;
        answer.is_sent_back_with("temporarily_unavailable");
        app.store.set_no_grants(false);
        assert_ne!(browser.cookies[SESSION], cookie);
        browser.authorize("web", &[]).await.code();
    }
}
