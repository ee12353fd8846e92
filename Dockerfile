# The container image: one static binary, which has the time zones in it,
# certificates, and nothing else. No shell is in it.
#
# Where docker.io and proxy.golang.org are slow or closed, name others:
#
#   docker build -t hufu --build-arg GOPROXY=https://goproxy.cn,direct \
#     --build-arg BASE_REGISTRY=registry.example.com/library .

ARG BASE_REGISTRY=docker.io/library

FROM ${BASE_REGISTRY}/golang:1.26.8-alpine AS build
ARG GOPROXY=https://proxy.golang.org,direct
ARG VERSION=dev
WORKDIR /src
COPY go.mod go.sum ./
RUN GOPROXY="${GOPROXY}" go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -tags timetzdata -ldflags "-s -w -X main.version=${VERSION}" -o /out/hufu ./cmd/hufu
RUN mkdir /out/data

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /src/LICENSE /LICENSE
COPY --from=build /out/hufu /bin/hufu
COPY --from=build --chown=65532:65532 /out/data /data

# Whatever is written, the store, the master key, the client key, is written
# relative to the working directory: mount a volume here, or lose it.
WORKDIR /data
VOLUME /data
USER 65532:65532

# TMPDIR is where the body of a long call waits: this image has no /tmp.
#
# A container's ports are reached from outside of it. Whether they are reached
# from outside of the machine is decided by whoever publishes them.
ENV HUFU_LISTEN_API=0.0.0.0:8700 \
    HUFU_LISTEN_WEB=0.0.0.0:8701 \
    HUFU_LISTEN_ADMIN=0.0.0.0:8702 \
    HUFU_PLAINTEXT=true \
    TMPDIR=/data
EXPOSE 8700 8701 8702

# No HEALTHCHECK: it would need a key, or a shell and a client. Whatever runs
# the container asks http://…:8702/healthz.
ENTRYPOINT ["/bin/hufu"]
CMD ["serve"]
