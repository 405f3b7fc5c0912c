package example;

import java.util.Map;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.security.core.annotation.AuthenticationPrincipal;
import org.springframework.security.oauth2.core.oidc.user.OidcUser;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.RestController;

/** An application that only its visitors' issuer knows: it says who came. */
@SpringBootApplication
@RestController
public class Orders {
    public static void main(String[] args) {
        SpringApplication.run(Orders.class, args);
    }

    @GetMapping("/")
    Map<String, String> whoami(@AuthenticationPrincipal OidcUser user) {
        return Map.of(
                "subject", user.getSubject(),
                "name", user.getPreferredUsername(),
                "email", user.getEmail());
    }
}
