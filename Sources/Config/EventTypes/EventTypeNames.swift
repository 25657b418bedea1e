/// Okta's event types, as its documentation listed them in release 2026.08.1: data, nothing else.
///
/// Words in order: `user.lifecycle:` opens a family, each following word is a member of it, and `+` marks the
/// members that an event hook may subscribe to.
enum EventTypeNames {
    static let families = """
        access.request: +cancel +create +expire +reject +resolve +update access.request.condition: +activate
        +create +deactivate +delete +invalidate +update access.request.sequence: +create +delete +update
        access.request.settings: +update access.review: +action +close +create +remediate +start +update
        account.aerial_template_condition: apply create delete remove update account.org: add
        account.org.consent: grant revoke account.org.delete: cancel request account.org.product: update
        account.org.status: update account.org_group: create delete update account.org_group.org: assign
        revoke account.user: classify analytics.feedback: provide analytics.reports.export: download generate
        request app: +user_management app.access_request: +delete +deny +expire +grant +request
        app.access_request.approver: +approve +deny app.ad.api.user_import: account_locked
        app.ad.api.user_import.warn.skipped_contact: attribute_invalid_value
        app.ad.api.user_import.warn.skipped_user: attribute_invalid_value missing_required_attribute
        app.ad.credential: verify app.ad.password_migration_campaign: create
        app.ad.password_migration_campaign.cancel: end start app.ad.password_migration_campaign.finish: end
        start app.ad.password_migration_campaign.group: add app.ad.password_migration_campaign.user:
        capture_password app.ad.password_migration_campaign.user.migrate: +end start app.ai_agent_provider:
        +activate +create +deactivate +delete +update app.ai_agent_provider.credential: +validate
        app.ai_agent_provider.import: +complete +start app.ai_agent_provider.import_staging: +confirm +ignore
        app.ai_agent_provider.priority: +update app.app_instance.csr: generate publish revoke
        app.app_instance.provision_sync_job: completed failed started app.cross_app_access.connection: create
        delete update app.generic: unauth_app_access_attempt app.inbound_del_auth: login_success
        app.interclient_mapping: +create +delete +delete_all app.kerberos_rich_client: account_not_found
        instance_not_found multiple_accounts_found user_authentication_successful app.keys: clone delete
        generate rotate app.ldap: read_schema app.ldap.import: tracking_attribute_missing
        app.ldap.password.change: failed app.oauth2: authorize client_id_rate_limit_warning
        invalid_client_credentials signon app.oauth2.admin.consent: grant revoke app.oauth2.as: authorize
        app.oauth2.as.authorize: code scope_denied app.oauth2.as.authorize.implicit: access_token id_token
        app.oauth2.as.consent: +grant +revoke app.oauth2.as.consent.revoke: +user
        app.oauth2.as.consent.revoke.implicit: +as +client +scope +user app.oauth2.as.consent.revoke.user:
        +client app.oauth2.as.evaluate: claim app.oauth2.as.interact: interaction_code interaction_handle
        app.oauth2.as.key: rollover app.oauth2.as.resource_server.credentials.lifecycle: activate create
        deactivate delete app.oauth2.as.token: detect_reuse grant revoke app.oauth2.as.token.grant:
        access_token device_secret id_token +interclient_token refresh_token app.oauth2.authorize: code
        app.oauth2.authorize.implicit: access_token id_token app.oauth2.client: read_client_secret
        app.oauth2.client.lifecycle: activate create deactivate delete update app.oauth2.client.privilege:
        +grant +revoke app.oauth2.consent: grant app.oauth2.credentials.lifecycle: activate create deactivate
        delete app.oauth2.interact: interaction_code interaction_handle app.oauth2.key: rollover
        app.oauth2.token: detect_reuse grant revoke app.oauth2.token.grant: access_token id_jag id_token
        +interclient_token oauth_sts refresh_token service_account vaulted_secret app.oauth2.token.oauth_sts:
        request_token app.oauth2.token.revoke.implicit: as client user app.oauth2.trusted_server: +add
        +delete app.office365.api.change.domain.federation: success app.office365.api.error.ad: user
        app.office365.api.error.check.user: exists app.office365.api.error.create: user
        app.office365.api.error.deactivate: user app.office365.api.error.download: groups users
        app.office365.api.error.download.custom: objects app.office365.api.error.endpoint: unavailable
        app.office365.api.error.get.company.dirsync: failure
        app.office365.api.error.get.company.dirsync.status: failure pending
        app.office365.api.error.get.object.ids.by.group: id app.office365.api.error.group.create: failure
        app.office365.api.error.group.create.failure.name.in: use app.office365.api.error.group.delete:
        failure app.office365.api.error.group.membership.update: failure
        app.office365.api.error.group.membership.update.group.not.found: failure
        app.office365.api.error.group.update: failure app.office365.api.error.group.update.failure.not: found
        app.office365.api.error.import: profile app.office365.api.error.push: password profile
        app.office365.api.error.reactivate: user app.office365.api.error.remove.domain.federation: failure
        app.office365.api.error.remove.domain.federation.failure.access: denied
        app.office365.api.error.remove.domain.federation.failure.domain.not: found
        app.office365.api.error.revoke.refresh: token app.office365.api.error.set.company.dirsync: failure
        app.office365.api.error.set.company.dirsync.status: failure
        app.office365.api.error.set.domain.federation: failure
        app.office365.api.error.set.domain.federation.failure.access: denied
        app.office365.api.error.set.domain.federation.failure.domain: default
        app.office365.api.error.set.domain.federation.failure.domain.not: found app.office365.api.error.sync:
        contact finalize group user app.office365.api.error.sync.not: activated
        app.office365.api.error.sync.set: attribute app.office365.api.error.unable.to.create.graph: client
        app.office365.api.error.validate: creds app.office365.api.error.validate.admin: creds
        app.office365.api.error.x-ms-forwarded-client-ip-header: absent
        app.office365.api.remove.domain.federation: success app.office365.api.set.domain.federation: success
        app.office365.api.sync: complete app.office365.api.sync.heartbeat: sent app.office365.api.sync.job:
        complete app.office365.api.sync.job.complete: contact group user
        app.office365.clientplatform.conversion.job.processing.app: instance
        app.office365.clientplatform.conversion.job.skipping: migration app.office365.dirsync.skipping:
        conflict-object critical-system-object non-security-group-invalid-mail reserved-attribute-value
        systemmailbox without-name-and-displayname app.office365.error.importing: user
        app.office365.graph.api.error.no.mailbox: found app.office365.graph.api.error.rate-limit: exceeded
        app.office365.graph.api.error.service.principal.creation: failed
        app.office365.graph.api.error.service.principal.msgraph.authentication: failure
        app.office365.provisioning_app: create app.office365.provisioning_app_credential: rotate
        app.office365.service.principal.cleanup.job: complete processing
        app.office365.service.principal.cleanup.job.invalid: credentials
        app.office365.service.principal.cleanup.job.skipping.missing: creds
        app.office365.service.principal.cleanup.job.skipping.no.service: principal
        app.office365.service.principal.cleanup.job.unable.to.delete.service: principal
        app.office365.user.delete: success app.office365.user.lifecycle.action: failed
        app.office365.user.remove.licenses: success app.policy.sign_on: update app.radius.agent:
        port_inaccessible port_reaccessible app.radius.agent.listener: failed succeeded
        app.radius.info_access: no_permission partial_permission app.realtimesync: import_failed
        app.realtimesync.import.details: add_user delete_user update_user app.request_new: notify
        app.rum.config.validation: error app.rum.is.api.account: error app.rum.package.thrown: error
        app.rum.validation: error app.saml.sensitive.attribute: update app.user_management:
        push_new_user_success update_from_master_failed app.user_management.grouppush.mapping.created.from:
        rule app.user_management.grouppush.mapping.created.from.rule: errors
        app.user_management.grouppush.mapping.created.from.rule.error: duplicate validation
        app.user_management.grouppush.mapping.okta.users: ignored app.user_management.import.csv.line: error
        app.user_management.user_group_import: create_failure delete_success update_failure upsert_fail
        +upsert_success application.account: +detect +remove application.account.decision: +confirm +ignore
        +revoke application.account.match: +update application.appuser.mapping.invalid: expression
        application.cache: invalidate application.configuration: detect_error disable_delauth_outbound
        disable_fed_broker_mode enable_delauth_outbound enable_fed_broker_mode import_schema
        read_client_secret reset_logo update update_api_credentials_for_pass_change update_logo
        update_rate_limits application.integration: api_query authentication_failure general_failure
        rate_limit_exceeded transfer_files application.lifecycle: +activate +create +deactivate +delete
        +update application.policy.sign_on: +deny_access update application.policy.sign_on.rule: create
        delete application.provision.field_mapping_rule: change application.provision.group: add import
        remove update verify_exists application.provision.group_membership: add import remove update
        application.provision.group_push: activate_mapping deactivate_mapping delete_appgroup
        push_memberships pushed removed updated application.provision.group_push.mapping: created
        application.provision.group_push.mapping.and.groups.deleted.rule: deleted
        application.provision.group_push.mapping.app.group: renamed
        application.provision.group_push.mapping.app.group.renamed: failed
        application.provision.group_push.mapping.created.from.rule.warning.duplicate: name
        application.provision.group_push.mapping.created.from.rule.warning.duplicate.name: tobecreated
        application.provision.group_push.mapping.created.from.rule.warning.upsertGroup.duplicate: name
        application.provision.group_push.mapping.deactivated.source.group: renamed
        application.provision.group_push.mapping.deactivated.source.group.renamed: failed
        application.provision.group_push.mapping.update.or.delete: failed
        application.provision.group_push.mapping.update.or.delete.failed.with: +error
        application.provision.integration: call_api application.provision.user: activate deactivate +delete
        deprovision import +import_profile password +push push_okta_password push_password +push_profile
        +reactivate +remove_entitlements +sync verify_exists application.provision.user.delete: +schedule
        application.provision.user.remove_entitlements: +schedule application.registration_policy.lifecycle:
        create update application.user_membership: +add approve +change_password change_username deprovision
        provision +remove restore restore_password revoke show_password +update certification.campaign:
        +close create delete +launch update certification.campaign.context: +update
        certification.campaign.item: +decide +remediate certification.remediation: open
        core.concurrency.org.limit: violation core.el: evaluate core.user_auth.idp.x509: crl_download_failure
        credential: register revoke device.assurance.policy: add delete update device.custom_push:
        send_notification device.desktop_mfa.configuration: update device.desktop_mfa.device_logout:
        completed started device.desktop_mfa.enrollment: create device.desktop_mfa.recovery_pin: generate
        rotate_secret device.enrollment: +create device.integration.endpoint_security: activate deactivate
        device.lifecycle: +activate +deactivate +delete +suspend +unsuspend device.local_account: create
        device.password_sync: authentication device.password_sync.enrollment: create device.platform: add
        delete renew update device.platform.secret_key: reset device.platform_sso: authentication
        device.platform_sso.enrollment: create device.platform_sso.keys: register device.posture.check: add
        delete update device.push.provider: create delete update device.signals.status: timeout
        device.token.enrollment: create device.user: +add +remove device.user_os_account: sync
        directory.app_user_profile: bootstrap update directory.external.group.membership: add remove
        directory.linked_object: create delete directory.mapping: update directory.non_default_user_profile:
        create directory.realm.assignment: create delete execution_completed execution_started update
        directory.realm.lifecycle: create delete update directory.user_profile: bootstrap update
        entitlement.migration: +complete +fail +start event_hook: activated created deactivated deleted
        delivery updated verified governance.principal.settings: +update governance.settings: +update
        group.application_assignment: +add +remove skip_assignment_reconcile +update group.lifecycle: +create
        +delete group.privilege: +grant +revoke group.profile: +update group.user_membership: +add +remove
        group.user_membership.rule: add_exclusion deactivated error evaluation invalidate trigger
        iam.policy.assignee_configuration: +update iam.policy.configuration: +update iam.resourceset: +create
        +delete +update iam.resourceset.bindings: +add +delete iam.resourceset.resources: +add +delete
        +update iam.role: +create +delete +update iam.role.permission.conditions: +add +delete
        iam.role.permissions: +add +delete iam.role.subscriptions: +update inline_hook: activated created
        deactivated deleted +executed updated verified inline_hook.response: processed
        integration.api_service.lifecycle: authorize revoke master_application.user_membership: add mim:
        streamDevicesCSVDownload mim.command.generic: acknowledged cancelled delegated error new notnow
        mim.command.ios: acknowledged cancelled error formaterror new mim.createEnrollment: ANDROID IOS OSX
        UNKNOWN WINDOWS network_zone.rule: disabled oauth2.as: activated created deactivated deleted updated
        oauth2.claim: created deleted updated oauth2.scope: created deleted updated
        org.not_configured_origin.redirection: usage pam: offline_disabled_event offline_enabled_event
        pam.active_directory.account_discovery: complete pam.active_directory.account_rule: applied update
        pam.active_directory.connection: update pam.ad_connection: create delete update pam.ad_task_settings:
        create delete update update_schedule pam.ad_user_sync_task_settings: activate create deactivate
        delete update update_schedule pam.apikey: delete rotate pam.app: update pam.auth_token: issue
        pam.billing_contact: create pam.client: assign enroll remove pam.client.state: update
        pam.client_enrollment_policies: create delete update pam.client_enrollment_policy_token: delete
        rotate pam.cloud_account: create delete update pam.credential_verification: end start
        pam.entitlement_sudo: add_to_project create remove remove_from_project update pam.gateway: create
        delete update pam.gateway.setup_token: create delete update pam.gateway_creds: issue pam.group:
        bulk_membership_change create delete pam.incoming_federation: approve request pam.integration: create
        delete health_change update pam.integration.account_rule: create delete update pam.member: add remove
        pam.offline_group.secrets: rotate pam.outgoing_federation: approve pam.password: change reset
        pam.permission: change pam.preauthorization: create update pam.project: add_group create delete
        remove_group update pam.project_group_selector: update pam.resource: checkout pam.resource.checkin:
        end start pam.resource_group: create delete update pam.secret: create delete move reveal update
        pam.secret_folder: create delete update pam.security_policy: create delete evaluate update
        pam.server: enroll reassign remove ssh_login pam.server_account: discovered update
        pam.server_account.password: reveal pam.server_account.password_change: initiated out_of_band update
        pam.server_labels: update pam.service: create remove pam.service_account: assign create delete update
        pam.service_account.password: reveal update pam.service_account.password_rotation: end start
        pam.sudo_command_bundle: create delete update pam.team: create delete pam.team_group_attribute:
        create delete update pam.team_invitation: create pam.team_project_group_attribute: create delete
        update pam.team_project_user_attribute: create delete update pam.team_settings: update
        pam.team_user_attribute: create delete update pam.unbound_client: enroll pam.unmanaged_server: create
        pam.user: create remove update pam.user_creds: issue pam.workload_connection: create delete update
        pam.workload_connection.api_key: create revoke update pam.workload_connection.api_key.rotation:
        activate create delete pam.workload_role: create delete update personal.admin.configuration: update
        personal.user.app_migration: export pki.ca: add delete renew pki.ca.expiration: warn
        pki.ca.scope.mapping: update pki.cert: bind crl_download_failure issue renew revoke
        pki.cert.lifecycle: activate delete hold revoke suspend plugin: downloaded script_status policy:
        evaluate_sign_on policy.auth_reevaluate: action enforce +fail policy.branch.lifecycle: create delete
        +promote +rollback +stage +update policy.branch.rule: +activate +add +deactivate +delete +update
        policy.continuous_access: action evaluate policy.entity_risk: action evaluate policy.execute.user:
        start policy.lifecycle: +activate create +deactivate delete overwrite +update policy.mapping: create
        policy.rule: +activate +add +deactivate +delete invalidate +update policy.rule.action: execute
        policy.scheduled: execute resource.collection: +assign +create +delete +unassign +update
        resource.entitlement: +create +delete +update resource.entitlement_bundle: +create +delete +update
        resource.entitlement_policy: +activate resource.entitlement_policy.draft: +create +delete +update
        resource.governance_engine: +disable +enable resource.label: +update resource.label.assignment:
        +update resource.owner: +update resource.risk_rule: +create +delete +update
        resource.user_entitlements: +update resource.user_entitlements.drift: +detect +revert
        resource_servers.a2a_server: +delete +register resource_servers.a2a_server.auth_server: +add +remove
        resource_servers.api_server: +activate +deactivate +delete +register +update
        resource_servers.api_server.auth_server: +add +remove +update
        resource_servers.client_authentication_settings: +create +delete +update resource_servers.mcp_server:
        +activate +deactivate +delete +register +update resource_servers.mcp_server.auth_server: +create
        +delete +update resource_servers.mcp_server.capability: +discover
        resource_servers.virtual_mcp_server.auth_server: +add +remove
        resource_servers.virtual_mcp_server.capability: +add +remove +update
        scheduled_action.user_suspension: canceled completed scheduled updated security.attack: end start
        security.attack_protection.settings: update security.authenticator.lifecycle: +activate +create
        +deactivate +update security.behavior.settings: create delete update
        security.bot_protection.settings: update security.bot_protection.status: update
        security.breached_credential: +detected security.device: add_request_blacklist_policy
        remove_request_blacklist_policy temporarily_disable_blacklisting security.events.provider: activate
        create deactivate delete receive_event update security.events.transmitter: create delete update
        security.internal: authentication dco_malicious_ip_report dco_user_risk_report
        security.internal.threat: detected security.internal.valid_password_sprayed: detected
        security.origin: auto_whitelisted security.password_spray: detected security.protected_action:
        attempt security.protected_action.settings: update security.request: blocked security.session:
        detect_client_roaming security.session_protection.status: update security.threat: detected
        security.threat.configuration: update security.trusted_origin: +activate +create +deactivate +delete
        +update security.voice: add_country_blacklist remove_country_blacklist security.zone: make_blacklist
        remove_blacklist self_service: disabled enabled support.org: update view system.agent: auto_update
        register system.agent.ad: config_change_detected connect create deactivate delete import_ou
        import_user invoke-powershell invoke_dir reactivate read_config read_dirsync read_ldap read_schema
        read_topology realtimesync reset_user_password start unlock_user_account update update_user upgrade
        upload_iwa_log upload_log write_ldap system.agent.ad.dirsync: verify system.agent.connector: connect
        deactivate delete reactivate system.agent.ldap: change_user_password config_change_detected
        create_user_JIT disconnect realtimesync reconnect reset_user_password unlock_user_account update_user
        update_user_password system.agent_pools: auto_update system.api_token: +create enable
        +request_outside_allowed_range +revoke update system.beta.feature: enable system.brand: create delete
        update system.captcha: create delete update system.client.concurrency_rate_limit: notification
        violation system.client.rate_limit: notification violation system.csv: import_user
        system.custom_email_server.lifecycle: activate create deactivate delete update system.custom_error:
        delete update system.custom_signin: delete update system.custom_signout: update
        system.custom_url_domain: cert_renew cert_upload delete initiate update verify
        system.directory.debugger: extend grant query_executed revoke system.dr: failback failover
        system.email: challenge_factor_redeemed +delivery send_factor_verify_message
        system.email.account_unlock: sent_message system.email.bounce: removal
        system.email.mfa_enroll_notification: sent_message system.email.mfa_reset_notification: sent_message
        system.email.new_device_notification: sent_message system.email.password_reset: sent_message
        system.email.template: create delete settings_changed update system.email_domain: create delete
        update verify system.feature: disable ea_auto_enroll enable system.hook.key: created deleted updated
        system.identity_sources: bulk_delete bulk_device_delete bulk_device_upsert bulk_group_delete
        bulk_group_membership_delete bulk_group_membership_upsert bulk_group_upsert bulk_upsert
        system.identity_sources.group: create delete update system.identity_sources.group.user: assign revoke
        system.identity_sources.user: create delete update system.idp.key: +create +delete +update
        system.idp.lifecycle: +activate +create +deactivate +delete +read_client_secret +update
        system.import: +complete complete_batch entitlement full_import_required import_profile
        import_provisioning_info incremental_converted_to_full +roadblock schedule +start
        system.import.clear.unconfirmed.users: summary system.import.custom_object: complete create delete
        update system.import.download: complete start system.import.entitlement: capacity_warning mismatch
        +upper_limit_exceeded system.import.entitlement.schema: update system.import.group: complete +create
        +delete start update system.import.group_membership: complete system.import.implicit_deletion:
        complete start system.import.membership_processing: complete start system.import.object_creation:
        complete start system.import.roadblock: reschedule_and_resume resume updated system.import.session:
        cancelled created expired triggered system.import.user: complete create delete match start suspend
        unsuspend unsuspend_after_confirm update update_user_lifecycle_from_master system.import.user_csv:
        complete start system.import.user_match: confirm unignore update system.import.user_matching:
        complete start system.internal.classify: user system.internal.devorg: create system.internal.migrate:
        appuser system.iwa: create go_offline go_online promote_primary remove update use_default
        system.iwa_agentless: auth auth_after_redirect redirect update system.iwa_agentless.user: not_found
        system.iwa_agentless_kerberos: update system.ldapi: admin_limit_exceeded bind search unbind
        system.log_stream.lifecycle: +activate +create +deactivate +delete +update system.mfa.factor:
        activate deactivate system.mfa.preregister: +initiate system.oauth2.token:
        +request_outside_allowed_range system.operation.concurrency_limit: violation
        system.operation.rate_limit: violation warning system.org.captcha: activate deactivate
        system.org.lifecycle: create system.org.rate_limit: burst +violation +warning
        system.org.rate_limit.expiration: warning system.org.task: remove system.push:
        send_factor_verify_push system.rate_limit.configuration: update system.self_service.configuration:
        update system.sms: receive_status send_account_unlock_message send_factor_verify_message
        send_okta_push_verify_message send_password_reset_message +send_phone_verification_message
        system.theme: update system.voice: receive_status send_account_unlock_call send_call
        send_mfa_challenge_call send_password_reset_call +send_phone_verification_call system.well_known_uri:
        update task.lifecycle: activate create deactivate delete update user: +identity_verification
        user.account: access_support_user_app expire_password +lock preference_update
        +report_suspicious_activity_by_enduser +reset_password +unlock +unlock_by_admin unlock_failure
        unlock_token +update_password update_primary_email +update_profile update_secondary_email
        update_user_type use_token user.account.lock: limit user.account.privilege: +grant +revoke
        user.account.subscriptions: +update user.authentication: auth auth_identifier_not_in_policy
        auth_unconfigured_identifier auth_via_AD_agent +auth_via_IDP auth_via_LDAP_agent
        auth_via_inbound_SAML auth_via_inbound_delauth auth_via_iwa +auth_via_mfa auth_via_radius
        auth_via_richclient +auth_via_social +authenticate dsso_via_non_priority_source slo +sso
        +universal_logout verify user.authentication.universal_logout: +scheduled user.behavior.profile:
        +reset user.chrome.data: +clear user.credential: +enroll user.device_session: end start
        user.identity_snapshot.attestation: create user.identity_verification: +start user.import: +password
        user.internal: session_context_change user.internal.authentication: telemetry user.internal.risk:
        change detect user.lifecycle: +activate +create +deactivate password_mass_expiry +reactivate +suspend
        +unsuspend user.lifecycle.delete: completed +initiated user.lifecycle.jit.error: read_only user.mfa:
        attempt_bypass okta_verify +promote_enrollment user.mfa.factor: +activate +deactivate +reset_all
        +suspend +unsuspend +update user.mfa.okta_verify: deny_push deny_push_upgrade_needed
        user.privileged_account: update_profile user.privileged_account.privilege: grant revoke user.realm:
        update user.risk: +change +detect user.session: access_admin_app +clear +end expire +start
        user.session.context: +change user.session.impersonation: end extend grant initiate revoke
        workflows.org.step_execution_limit: violation warning workflows.user.connection: create delete
        reauthorize revoke workflows.user.delegatedflow: run workflows.user.execution_log_stream_connection:
        activate deactivate update workflows.user.flow: activate create deactivate delete export import move
        save view workflows.user.flow.execution: cancel workflows.user.flow.execution_history: activate
        deactivate delete workflows.user.flow.execution_log_stream: activate deactivate
        workflows.user.flow.version: revert update workflows.user.folder: create delete duplicate export
        import move rename workflows.user.role.group: add remove workflows.user.role.user: add remove
        workflows.user.table: create delete export import move update view workflows.user.table.schema:
        export import workflows.user.truststore: create delete update view workload_principal: +activate
        +deactivate +delete +register +update workload_principal.ai_agent: +activate +deactivate +delete
        +register +update workload_principal.ai_agent.credential: +activate +create +deactivate +delete
        workload_principal.ai_agent.sign_on_provider: +add +remove workload_principal.delegation_link:
        +create +delete workload_principal.resource_connection: +activate +create +deactivate +delete +update
        workload_principal.sign_on_provider: +add +remove zone: activate create deactivate delete
        make_blacklist remove_blacklist update
        """
}
