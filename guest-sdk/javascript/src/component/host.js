// The functions of the host that a component runs in.

export { cancelled, log, progress } from "sandglass:tool/host@0.1.0";
