# The operator's image: docker build -f deploy/kubernetes/operator.Dockerfile -t sandglass-operator .
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --locked --release --package sandglass-operator \
    && install -D --target-directory=/out/usr/local/bin target/release/sandglass-operator

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /out/ /
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/usr/local/bin/sandglass-operator"]
CMD ["run"]
