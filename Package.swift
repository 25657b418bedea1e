// swift-tools-version:6.2
import PackageDescription

/// In CI a warning is an error, in our own targets and nobody else's.
let warnings: [SwiftSetting] = Context.environment["CI"] == "true" ? [.treatAllWarnings(as: .error)] : []

/// Every target of ours builds in the Swift 6 language mode with these on top.
let strict: [SwiftSetting] =
    warnings + [
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("MemberImportVisibility"),
        .enableUpcomingFeature("InternalImportsByDefault"),
    ]

/// The release binary has Swift's runtime and Foundation in itself.
///
/// So it runs where no toolchain is, takes less memory, and calls them without a detour through tables. Here
/// and not by `--static-swift-stdlib`: that is for all modules or none, and the library for tests has no static
/// form. Foundation's own parts have to be named, and lld is the linker that does not mind their order.
let standalone: [LinkerSetting] = [
    .unsafeFlags(
        [
            "-static-stdlib", "-use-ld=lld", "-lFoundation", "-lFoundationInternationalization",
            "-lFoundationEssentials", "-lCoreFoundation", "-l_FoundationCShims", "-l_FoundationCollections",
            "-l_FoundationICU",
        ],
        .when(platforms: [.linux], configuration: .release))
]

// Imports point one way: JSON <- Rules <- Config <- Relay <- Sinks <- OktaRelay. `scripts/tidy.sh` checks it.
let package = Package(
    name: "okta-relay",
    platforms: [.macOS(.v15)],
    products: [
        .executable(name: "okta-relay", targets: ["OktaRelay"])
    ],
    dependencies: [
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1", traits: []),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
    ],
    targets: [
        .systemLibrary(name: "CPostgres", pkgConfig: "libpq", providers: [.apt(["libpq-dev"])]),
        .systemLibrary(
            name: "CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),

        .target(name: "JSON", swiftSettings: strict),
        .target(name: "Rules", dependencies: ["JSON"], swiftSettings: strict),
        .target(name: "Config", dependencies: ["JSON", "Rules"], swiftSettings: strict),
        .target(
            name: "Relay",
            dependencies: [
                "JSON", "Rules", "Config",
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "HummingbirdTLS", package: "hummingbird"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "GRDB", package: "GRDB.swift"),
                .product(name: "GRDBSQLite", package: "GRDB.swift"),
            ],
            swiftSettings: strict
        ),
        .target(
            name: "Sinks",
            dependencies: [
                "JSON", "Rules", "Config", "Relay", "CPostgres", "CCurl",
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "GRDB", package: "GRDB.swift"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: strict
        ),
        .executableTarget(
            name: "OktaRelay",
            dependencies: [
                "JSON", "Rules", "Config", "Relay", "Sinks",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ],
            swiftSettings: strict,
            linkerSettings: standalone
        ),

        .target(
            name: "RelayTesting",
            dependencies: [
                "JSON", "Rules", "Config", "Relay", "Sinks",
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
            ],
            swiftSettings: strict
        ),
        .executableTarget(
            name: "Benchmarks",
            dependencies: [
                "JSON", "Rules", "Config", "Relay", "RelayTesting", "CPostgres", "CCurl",
                .product(name: "GRDBSQLite", package: "GRDB.swift"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Logging", package: "swift-log"),
            ],
            path: "Benchmarks/Driver",
            swiftSettings: strict,
            linkerSettings: standalone
        ),
        .executableTarget(
            name: "RulesBenchmark",
            dependencies: ["JSON", "Rules"],
            path: "Benchmarks/RulesBenchmark",
            swiftSettings: strict
        ),
        .testTarget(name: "JSONTests", dependencies: ["JSON"], swiftSettings: strict),
        .testTarget(name: "RulesTests", dependencies: ["Rules", "JSON"], swiftSettings: strict),
        .testTarget(name: "ConfigTests", dependencies: ["Config", "Rules", "JSON"], swiftSettings: strict),
        .testTarget(
            name: "RelayTests",
            dependencies: [
                "JSON", "Rules", "Config", "Relay", "RelayTesting",
                .product(name: "GRDB", package: "GRDB.swift"),
                .product(name: "NIOEmbedded", package: "swift-nio"),
            ], swiftSettings: strict),
        .testTarget(
            name: "SinksTests", dependencies: ["Sinks", "Relay", "RelayTesting"], swiftSettings: strict),
        .testTarget(
            name: "OktaRelayTests", dependencies: ["OktaRelay", "RelayTesting"], swiftSettings: strict),
        // Runs the built executable, as a user does; nothing of `OktaRelay` is imported.
        .testTarget(
            name: "EndToEndTests",
            dependencies: [
                "OktaRelay", "JSON", "Config", "Relay", "Sinks", "RelayTesting",
                .product(name: "GRDB", package: "GRDB.swift"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
            ], swiftSettings: strict),
    ],
    swiftLanguageModes: [.v6]
)
