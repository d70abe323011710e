# Built on a machine with the CPU features of those that will run it: the seed holds machine code.
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo xtask tools \
    && cargo build --locked --release --package sandglass \
    && install -D --target-directory=/out/usr/local/bin target/release/sandglass \
    && ln -s sandglass /out/usr/local/bin/python \
    && install -D --mode=644 --target-directory=/out/usr/local/share/sandglass/tools target/tools/*.wasm \
    && install -D --mode=644 --target-directory=/out/usr/local/share/sandglass/interpreters target/share/sandglass/interpreters/*.wasm \
    && /out/usr/local/bin/sandglass seed /out/usr/local/share/sandglass/seed \
        /out/usr/local/share/sandglass/tools/*.wasm /out/usr/local/share/sandglass/interpreters/*.wasm

# Nothing writes to the image at run time, so it runs with a read-only root (`docker run --read-only`).
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /out/ /
USER 65532:65532
# The runtime that this replaces has no authentication; whoever wants it gives other arguments than CMD's.
ENV MCP_HOST=0.0.0.0 MCP_PORT=8000
EXPOSE 8000
ENTRYPOINT ["/usr/local/bin/sandglass"]
CMD ["serve", "--allow-anonymous"]
