# Recipes are the jobs of CI. `just` alone runs what a commit should pass.

default: lint unit

# everything, as CI does
test *LAYERS:
    tests/run {{LAYERS}}

lint:
    tests/run lint

unit:
    tests/run unit

# write the custom resource definitions into the chart
crds:
    cargo run --quiet -p oidc-crds --bin crdgen

# write the formatted code
fmt:
    cargo fmt --all

# the standalone provider with the examples
dev *ARGS:
    cargo run --release --bin oidc-provider -- dev {{ARGS}}

# a real cluster on this machine, with the chart installed
cluster:
    tests/cluster up --install
